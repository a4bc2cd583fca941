// Not a module, on purpose. Layers that must not import a package have its name mapped to this file, so that the compiler
// refuses the import (TS2306).
