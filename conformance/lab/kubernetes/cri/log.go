package cri

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// longestLine is what is written as one line of a log; longer ones are written in parts.
const longestLine = 16 * 1024

// containerLog is a log file as the kubelet reads it.
// https://github.com/kubernetes/design-proposals-archive/blob/main/node/kubelet-cri-logging.md
type containerLog struct {
	path    string
	mutex   sync.Mutex
	file    *os.File
	streams []*logStream
}

type logStream struct {
	log     *containerLog
	name    string
	pending []byte
}

// open also opens it again after the kubelet has moved the file away.
func (l *containerLog) open() error {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if err := os.MkdirAll(filepath.Dir(l.path), 0o755); err != nil {
		return err
	}
	file, err := os.OpenFile(l.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	if l.file != nil {
		l.file.Close()
	}
	l.file = file
	return nil
}

func (l *containerLog) close() {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	for _, stream := range l.streams {
		if len(stream.pending) > 0 {
			stream.write("F", stream.pending)
		}
	}
	l.streams = nil
	l.file.Close()
	l.file = nil
}

func (l *containerLog) writers() struct{ stdout, stderr io.Writer } {
	out, err := &logStream{log: l, name: "stdout"}, &logStream{log: l, name: "stderr"}
	l.streams = []*logStream{out, err}
	return struct{ stdout, stderr io.Writer }{out, err}
}

func (s *logStream) Write(text []byte) (int, error) {
	s.log.mutex.Lock()
	defer s.log.mutex.Unlock()
	s.pending = append(s.pending, text...)
	for {
		end := bytes.IndexByte(s.pending, '\n')
		switch {
		case end >= 0:
			s.write("F", s.pending[:end])
			s.pending = s.pending[end+1:]
		case len(s.pending) >= longestLine:
			s.write("P", s.pending[:longestLine])
			s.pending = s.pending[longestLine:]
		default:
			return len(text), nil
		}
	}
}

func (s *logStream) write(tag string, line []byte) {
	if s.log.file != nil {
		fmt.Fprintf(s.log.file, "%s %s %s %s\n", time.Now().Format(time.RFC3339Nano), s.name, tag, line)
	}
}
