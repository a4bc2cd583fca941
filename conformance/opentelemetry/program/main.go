// A collector of OpenTelemetry: the receiver of OTLP as it is released, and an exporter that writes each batch to standard output, as a line of
// OTLP's JSON after "spans " or "logs ", and before it who sent it says he is, by the header x-token, after "token ". Where it is to count only, it
// writes how many there are, after "counted ".
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"sync"

	"go.opentelemetry.io/collector/client"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/provider/fileprovider"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/otelcol"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/otlpreceiver"
	"go.opentelemetry.io/collector/service/telemetry/otelconftelemetry"
)

func main() {
	collector := otelcol.CollectorSettings{
		BuildInfo: component.BuildInfo{Command: "collector", Version: "test"},
		Factories: factories,
		ConfigProviderSettings: otelcol.ConfigProviderSettings{
			ResolverSettings: confmap.ResolverSettings{
				ProviderFactories: []confmap.ProviderFactory{fileprovider.NewFactory()},
				DefaultScheme:     "file",
			},
		},
	}
	if err := otelcol.NewCommand(collector).Execute(); err != nil {
		log.Fatal(err)
	}
}

func factories() (otelcol.Factories, error) {
	receivers, err := otelcol.MakeFactoryMap[receiver.Factory](otlpreceiver.NewFactory())
	if err != nil {
		return otelcol.Factories{}, err
	}
	exporters, err := otelcol.MakeFactoryMap[exporter.Factory](lines())
	return otelcol.Factories{Receivers: receivers, Exporters: exporters, Telemetry: otelconftelemetry.NewFactory()}, err
}

type settings struct {
	CountOnly bool `mapstructure:"count_only"`
}

func lines() exporter.Factory {
	return exporter.NewFactory(
		component.MustNewType("lines"),
		func() component.Config { return &settings{} },
		exporter.WithTraces(func(_ context.Context, _ exporter.Settings, config component.Config) (exporter.Traces, error) {
			return writerOf(config), nil
		}, component.StabilityLevelDevelopment),
		exporter.WithLogs(func(_ context.Context, _ exporter.Settings, config component.Config) (exporter.Logs, error) {
			return writerOf(config), nil
		}, component.StabilityLevelDevelopment),
	)
}

type writer struct{ countOnly bool }

func writerOf(config component.Config) *writer { return &writer{config.(*settings).CountOnly} }

func (*writer) Start(context.Context, component.Host) error { return nil }
func (*writer) Shutdown(context.Context) error              { return nil }
func (*writer) Capabilities() consumer.Capabilities         { return consumer.Capabilities{} }

func (w *writer) ConsumeTraces(ctx context.Context, traces ptrace.Traces) error {
	if w.countOnly {
		return count(traces.SpanCount())
	}
	text, err := (&ptrace.JSONMarshaler{}).MarshalTraces(traces)
	return write(ctx, "spans ", text, err)
}

func (w *writer) ConsumeLogs(ctx context.Context, logs plog.Logs) error {
	if w.countOnly {
		return count(logs.LogRecordCount())
	}
	text, err := (&plog.JSONMarshaler{}).MarshalLogs(logs)
	return write(ctx, "logs ", text, err)
}

var whole sync.Mutex

func count(number int) error {
	whole.Lock()
	defer whole.Unlock()
	_, err := fmt.Println("counted", number)
	return err
}

func write(ctx context.Context, kind string, text []byte, err error) error {
	if err != nil {
		return err
	}
	whole.Lock()
	defer whole.Unlock()
	token := ""
	for _, value := range client.FromContext(ctx).Metadata.Get("x-token") {
		token = "token " + value + "\n"
	}
	_, err = os.Stdout.Write([]byte(token + kind + string(text) + "\n"))
	return err
}
