package demo

import (
	"strings"
	"testing"
)

func TestTheOwnerIsFoundInItsCommits(t *testing.T) {
	part := func(address, row string) string {
		return "--changeset\r\nContent-Type: application/http\r\n\r\nPUT " + address + " HTTP/1.1\r\nIf-Match: W/\"x\"\r\n\r\n" + row + "\r\n"
	}
	text := part("/t(PartitionKey='p',RowKey='head')", `{"PartitionKey":"p","RowKey":"head","Head":"{\"format\":1,\"owner\":\"ada\",\"epoch\":3}"}`)
	binary := part("/t(PartitionKey='p',RowKey='head')", `{"PartitionKey":"p","RowKey":"head","Head@odata.type":"Edm.Binary","Head":"eyJvd25lciI6ImFkYSJ9"}`)
	other := part("/t", `{"PartitionKey":"p","RowKey":"m:x"}`)
	released := part("/t(PartitionKey='p',RowKey='head')", `{"PartitionKey":"p","RowKey":"head","Head":"{\"for\":\"bob\",\"epoch\":4}"}`)
	for body, want := range map[string]string{text: "ada", text + other: "ada", binary: "ada", other: "", other + text: "", released: "", "": ""} {
		if owner, ok := signature([]byte(body)); owner != want || ok != (want != "") {
			t.Errorf("owner %q, %v, want %q of\n%s", owner, ok, want, strings.ReplaceAll(body, "\r", ""))
		}
	}
}
