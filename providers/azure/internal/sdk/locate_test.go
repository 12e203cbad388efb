package sdk

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const testSignature = "sv=2022-11-02&ss=bqt&srt=sco&sp=rwdlacup&se=2099-01-01T00:00:00Z&spr=https&sig=c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2U%3D"

func TestAnAccountIsFoundHoweverItIsNamed(t *testing.T) {
	public := named("name", "https", defaultSuffix)
	with := func(l location, change func(*location)) location { change(&l); return l }
	local := location{
		name: "devstoreaccount1", key: emulatorKey,
		blob: "http://127.0.0.1:10000/devstoreaccount1", queue: "http://127.0.0.1:10001/devstoreaccount1", table: "http://127.0.0.1:10002/devstoreaccount1",
	}
	for account, want := range map[string]location{
		"name":                                                                 public,
		"https://name.blob.core.windows.net":                                   public,
		"https://name.blob.core.windows.net/":                                  public,
		"https://name.table.core.windows.net":                                  public,
		"https://name.queue.core.windows.net":                                  public,
		"https://name.dfs.core.windows.net":                                    public,
		"https://name.blob.core.chinacloudapi.cn":                              named("name", "https", "core.chinacloudapi.cn"),
		"https://name.blob.core.usgovcloudapi.net/":                            named("name", "https", "core.usgovcloudapi.net"),
		"https://name.z12.blob.storage.azure.net":                              {name: "name", blob: "https://name.z12.blob.storage.azure.net", queue: "https://name.z12.queue.storage.azure.net", table: "https://name.z12.table.storage.azure.net"},
		"https://name.blob.core.windows.net/?" + testSignature:                 with(public, func(l *location) { l.signature = testSignature }),
		"http://127.0.0.1:10000/devstoreaccount1":                              with(local, func(l *location) { l.key = "" }),
		"HTTPS://Name.Blob.CORE.windows.net":                                   public,
		"http://localhost:10002/devstoreaccount1/":                             {name: "devstoreaccount1", blob: "http://localhost:10000/devstoreaccount1", queue: "http://localhost:10001/devstoreaccount1", table: "http://localhost:10002/devstoreaccount1"},
		"http://azurite:10000/devstoreaccount1":                                {name: "devstoreaccount1", blob: "http://azurite:10000/devstoreaccount1", queue: "http://azurite:10001/devstoreaccount1", table: "http://azurite:10002/devstoreaccount1"},
		testString:                                                             with(public, func(l *location) { l.key = testKey }),
		"accountname=name;ACCOUNTKEY=" + testKey + ";":                         with(public, func(l *location) { l.key = testKey }),
		"DefaultEndpointsProtocol=http;EndpointSuffix=x.example;" + testString: with(named("name", "http", "x.example"), func(l *location) { l.key = testKey }),
		"BlobEndpoint=https://b.example/;QueueEndpoint=https://q.example/;TableEndpoint=https://t.example/;SharedAccessSignature=?" + testSignature: {name: "b", blob: "https://b.example", queue: "https://q.example", table: "https://t.example", signature: testSignature},
		"AccountName=name;SharedAccessSignature=" + testSignature:                                                                                   with(public, func(l *location) { l.signature = testSignature }),
		"AccountName=name;TableEndpoint=https://t.example;FileEndpoint=https://f.example":                                                           with(public, func(l *location) { l.table = "https://t.example" }),
		"AccountName=name;TableEndpoint=HTTPS://t.example":                                                                                          with(public, func(l *location) { l.table = "https://t.example" }),
		"UseDevelopmentStorage=true":                               local,
		"UseDevelopmentStorage=true;DefaultEndpointsProtocol=HTTP": local,
		"UseDevelopmentStorage=true;DevelopmentStorageProxyUri=http://host.docker.internal;": with(local, func(l *location) {
			l.blob, l.queue, l.table = "http://host.docker.internal:10000/devstoreaccount1", "http://host.docker.internal:10001/devstoreaccount1", "http://host.docker.internal:10002/devstoreaccount1"
		}),
	} {
		if account == "name" {
			account = ` "name" ` + "\n" // as it was pasted
		}
		got, err := locate(account)
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(location{})); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", account, err, diff)
		}
	}
}

func TestAMistakeInTheAccountIsExplained(t *testing.T) {
	signed := func(replacements ...string) string {
		return "https://name.blob.core.windows.net/?" + strings.NewReplacer(replacements...).Replace(testSignature)
	}
	for account, want := range map[string]string{
		"":           "no account was named",
		"Not A Name": "neither a connection string",
		"https://":   "cannot be parsed",
		"https://user:pw@name.blob.core.windows.net":               "user and password",
		"https://name.blob.core.windows.net/container":             "has a path",
		"https://name.blob.core.windows.net/?x=1":                  "no shared access signature",
		"https://storage.example.com":                              "domain of your own",
		"https://name-secondary.blob.core.windows.net":             "read-only",
		"https://UPPER_case.blob.core.windows.net":                 "does not begin with an account's name",
		"http://127.0.0.1:10000/":                                  "ends in the account's name",
		"http://127.0.0.1:12345/devstoreaccount1":                  "have three",
		"AccountName=name;AccountKey":                              "part 2 of the connection string is not of the form",
		"AccountName=name;AcountKey=" + testKey:                    "part 2 of the connection string has a name that means nothing",
		"AccountName=name;AccountName=other;AccountKey=" + testKey: "names AccountName twice",
		"AccountName=;AccountKey=" + testKey:                       "AccountName of the connection string is empty",
		"AccountName=Name;AccountKey=" + testKey:                   "AccountName of the connection string must be 3 to 24",
		"AccountKey=" + testKey:                                    "neither AccountName nor TableEndpoint, QueueEndpoint, BlobEndpoint",
		"AccountName=name;AccountKey=secret!":                      "AccountKey (7 characters) is not base64",
		"AccountName=name;AccountKey=c2VjcmV0":                     "AccountKey (8 characters) is too short",
		"DefaultEndpointsProtocol=ftp;" + testString:               "DefaultEndpointsProtocol",
		"BlobEndpoint=b.example;" + testString:                     "BlobEndpoint of the connection string must be a URL",
		"BlobEndpoint=https://b.example?sig=secret;" + testString:  "BlobEndpoint of the connection string must be a URL",
		testString + ";SharedAccessSignature=" + testSignature:     "both AccountKey and SharedAccessSignature",
		"BlobEndpoint=https://b.example;QueueEndpoint=https://q.example;TableEndpoint=https://t.example;AccountKey=" + testKey: "AccountKey but no AccountName",
		"UseDevelopmentStorage=false":                                                           "can only be true",
		"UseDevelopmentStorage=true;" + testString:                                              "does not go with UseDevelopmentStorage",
		"UseDevelopmentStorage=true;DevelopmentStorageProxyUri=http://x:1":                      "without port",
		"DevelopmentStorageProxyUri=http://x;" + testString:                                     "lacks",
		signed("ss=bqt", "ss=b"):                                                                `services "b"`,
		signed("srt=sco", "srt=o"):                                                              `resource types "o"`,
		signed("ss=bqt", "sr=c"):                                                                "for one container",
		"UseDevelopmentStorage=true;DefaultEndpointsProtocol=https":                             "TableEndpoint, QueueEndpoint and BlobEndpoint",
		"EndpointSuffix=https://core.windows.net;" + testString:                                 "without https://",
		"BlobEndpoint=HTTP://b.example;AccountName=name;SharedAccessSignature=" + testSignature: "over https only",
		strings.Replace(signed(), "https:", "http:", 1):                                         "over https only",
		"AccountName=name;SharedAccessSignature=sv=1":                                           "has no sig=",
	} {
		_, err := Open(Config{Account: account})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", account, err, want)
			continue
		}
		for _, secret := range []string{testKey, "c2VjcmV0", "secret", "pw"} {
			if strings.Contains(err.Error(), secret) && !strings.Contains(want, secret) {
				t.Errorf("%s: %v quotes a secret", account, err)
			}
		}
	}
}

func TestTokensAreNotSentInTheClear(t *testing.T) {
	_, err := Open(Config{Account: "http://127.0.0.1:10000/devstoreaccount1", Credential: staticToken("t")})
	if err == nil || !strings.Contains(err.Error(), "over https only") {
		t.Errorf("got %v", err)
	}
	_, err = Open(Config{Account: testString, Credential: staticToken("t")})
	if err == nil || !strings.Contains(err.Error(), "give one of them") {
		t.Errorf("got %v", err)
	}
}

func TestATimeoutMustBePositive(t *testing.T) {
	if _, err := Open(Config{Account: testString, TryTimeout: -1}); err == nil || !strings.Contains(err.Error(), "TryTimeout") {
		t.Errorf("got %v", err)
	}
}
