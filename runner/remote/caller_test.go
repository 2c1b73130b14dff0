package remote

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
)

func TestCallerARN(t *testing.T) {
	const arn = "arn:aws:sts::123456789012:assumed-role/Releaser/anna"
	for name, c := range map[string]struct {
		status       int
		answer, want string
	}{
		"of a role's session": {200, "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>" + arn + "</Arn></GetCallerIdentityResult></GetCallerIdentityResponse>", arn},
		"refused":             {403, "<ErrorResponse><Error><Code>ExpiredToken</Code><Message>expired</Message></Error></ErrorResponse>", ""},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(c.status)
				fmt.Fprint(w, c.answer)
			}))
			defer server.Close()
			got, err := CallerARN(t.Context(), aws.Config{Region: "eu-west-1", BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("a", "b", "")})
			if got != c.want || (err == nil) != (c.want != "") || err != nil && !strings.Contains(err.Error(), "expired") {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
}
