package app

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/cli/internal/output"
	"github.com/antbuddy/antcrm-go/cli/internal/schema"
)

// apiRequest is the flags of the api command.
type apiRequest struct {
	query       []string
	data        string
	hasData     bool
	include     bool
	retryUnsafe bool
}

func (a *app) apiCommand() *cobra.Command {
	r := &apiRequest{}
	cmd := &cobra.Command{
		Use: "api METHOD PATH", Short: "Send any request with the key, retries and limits of the SDK", Args: arguments("METHOD", "PATH"),
		Long: `Sends any request to the service and prints its answer. PATH begins with a
slash; parameters go behind ? or in --query. GET, PUT and DELETE are repeated
when an answer is lost, POST is not unless --retry-unsafe says it does no harm.

With -o table, csv or jsonl a list in the answer is printed record by record.`,
		Example: `  antcrm api GET /contacts --query phone=0900000001
  antcrm api GET '/rating?limit=5&type=ticket' -o table --columns rating_score,comment
  antcrm api PUT /products --data '{"productIdApiRing": "P-77", "value": "130000"}'`,
	}
	f := cmd.Flags()
	f.StringArrayVar(&r.query, "query", nil, "a parameter: `NAME=VALUE` (may be repeated)")
	f.StringVar(&r.data, "data", "", "the body as `JSON`; @FILE or - reads it from a file or stdin")
	f.BoolVarP(&r.include, "include", "i", false, "print status and headers before the answer, and the answer if it is an error too")
	f.BoolVar(&r.retryUnsafe, "retry-unsafe", false, "repeat a POST too")
	cmd.ValidArgsFunction = func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete}, cobra.ShellCompDirectiveNoFileComp
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		ctx, stop := interruptible(cmd)
		defer stop()
		r.hasData = cmd.Flags().Changed("data")
		return r.send(ctx, a, args[0], args[1])
	}
	return cmd
}

func (r *apiRequest) send(ctx context.Context, a *app, method, path string) error {
	path, query, err := r.target(path)
	if err != nil {
		return err
	}
	var body any
	if r.hasData {
		text, err := a.readData(ctx, r.data)
		if err != nil {
			return err
		}
		if !json.Valid(text) {
			return usage("check it with a JSON linter", "the data is not JSON")
		}
		body = json.RawMessage(text)
	}
	client, err := a.client()
	if err != nil {
		return err
	}
	var response antcrm.Response
	opts := []antcrm.CallOption{antcrm.WithResponse(&response)}
	if r.retryUnsafe {
		opts = append(opts, antcrm.WithRetryUnsafe())
	}
	err = client.Do(ctx, method, path, query, body, nil, opts...)
	if r.include && response.StatusCode != 0 {
		if err := a.printHead(response); err != nil {
			return err
		}
	}
	if err == nil {
		return a.printAnswer(response.Body)
	}
	if r.include && len(response.Body) > 0 {
		// What is wrong with a request may be said in more than the message.
		if err := a.printText(response.Body); err != nil {
			return err
		}
	}
	return err
}

// target splits a path from its parameters.
func (r *apiRequest) target(path string) (string, url.Values, error) {
	path, text, _ := strings.Cut(path, "?")
	query, err := url.ParseQuery(text)
	if err != nil {
		return "", nil, usage("escape them, or use --query NAME=VALUE", "the parameters behind ? are not well-formed")
	}
	for _, pair := range r.query {
		name, value, found := strings.Cut(pair, "=")
		if !found || name == "" {
			return "", nil, usage("such as --query phone=0900000001", "--query needs NAME=VALUE")
		}
		query.Add(name, value)
	}
	return path, query, nil
}

func (a *app) printHead(response antcrm.Response) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%d %s\n", response.StatusCode, http.StatusText(response.StatusCode))
	var head bytes.Buffer
	if err := response.Header.Write(&head); err != nil {
		return fmt.Errorf("write the output: %w", err)
	}
	for line := range strings.Lines(head.String()) {
		b.WriteString(output.Clean(strings.TrimRight(line, "\r\n")) + "\n")
	}
	return write(a.stdout, b.String()+"\n")
}

// printAnswer prints JSON readably on a terminal and as received elsewhere; with a format of records, the records.
func (a *app) printAnswer(body []byte) error {
	body = bytes.TrimSpace(body)
	if format := a.flags.output; format != "" && format != output.JSON || len(a.flags.columns) > 0 {
		return a.printRecords(body)
	}
	if !json.Valid(body) {
		return a.printText(body)
	}
	if isTerminal(a.stdout) || a.flags.output == output.JSON {
		w, err := a.printer(output.Options{Format: output.JSON, Single: true})
		if err != nil {
			return err
		}
		if err := w.Write(body); err != nil {
			return err
		}
		return w.Close()
	}
	return write(a.stdout, string(body)+"\n")
}

// printText prints an answer that is not for programs, or not JSON.
func (a *app) printText(body []byte) error {
	text := string(bytes.TrimSpace(body))
	if isTerminal(a.stdout) {
		text = output.Clean(text)
	}
	return write(a.stdout, text+"\n")
}

// printRecords prints the records of an answer: an array, or the one in data.
func (a *app) printRecords(body []byte) error {
	var records []json.RawMessage
	if json.Unmarshal(body, &records) != nil {
		var envelope struct {
			Data []json.RawMessage `json:"data"`
		}
		records = []json.RawMessage{body}
		if json.Unmarshal(body, &envelope) == nil && envelope.Data != nil {
			records = envelope.Data
		}
	}
	opts := output.Options{Schema: schema.Of[struct{}](), Open: true}
	if len(records) > 0 {
		opts.Default = output.Fields(records[0])
	}
	w, err := a.printer(opts)
	if err != nil {
		return err
	}
	for _, record := range records {
		if err := w.Write(record); err != nil {
			return err
		}
	}
	return w.Close()
}
