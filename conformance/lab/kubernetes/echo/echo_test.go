package echo

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestHandler(t *testing.T) {
	t.Setenv("POD_NAME", "echo-1")
	t.Setenv("INGRESS_NAME", "front")
	handler := Handler()
	request := httptest.NewRequest(http.MethodPut, "//a/../b?c=%2f", nil)
	request.Host = "some.test"
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, request)
	var got Answer
	if err := json.Unmarshal(recorder.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.Path != "//a/../b?c=%2f" || got.Host != "some.test" || got.Method != "PUT" || got.Proto != "HTTP/1.1" || got.Pod != "echo-1" || got.Ingress != "front" {
		t.Errorf("got %+v", got)
	}
}

func TestHealth(t *testing.T) {
	recorder := httptest.NewRecorder()
	Handler().ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/health", nil))
	if recorder.Code != http.StatusOK || recorder.Body.Len() != 0 {
		t.Errorf("got %d %s", recorder.Code, recorder.Body)
	}
}
