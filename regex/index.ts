export { estimateProgramSize } from './program-size.ts';
export { countInstructions, isLiteral, regexProblem } from './regex.ts';
