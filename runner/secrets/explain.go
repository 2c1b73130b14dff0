package secrets

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strings"

	"github.com/carlin-cicd/runner/artifacts/credentials"
	"github.com/carlin-cicd/runner/runner/awsjson"
	"github.com/carlin-cicd/runner/steps/reference"
)

// Error codes of the services by their meaning. The messages of other codes are passed on.
var (
	deniedCodes  = []string{"AccessDeniedException", "AccessDenied"}
	expiredCodes = []string{"ExpiredToken", "ExpiredTokenException", "RequestExpired"}
	refusedCodes = []string{
		"UnrecognizedClientException", "InvalidClientTokenId", "MissingAuthenticationToken",
		"MissingAuthenticationTokenException", "InvalidSignatureException", "SignatureDoesNotMatch",
		"IncompleteSignature",
		"IncompleteSignatureException", "NotAuthorized", "OptInRequired",
	}
	decryptionCodes = []string{
		"DecryptionFailure", "InvalidKeyId", "KMSInvalidStateException", "KMSAccessDeniedException",
		"KMSNotFoundException",
	}
	notFoundCodes = []string{"ResourceNotFoundException", "ParameterNotFound", "ParameterVersionNotFound"}
	nameCodes     = []string{"ValidationException", "InvalidParameterException"}
)

func isDenied(err error) bool { return awsjson.HasCode(err, deniedCodes...) }

// failsForAll reports whether a request for one item instead of several would fail in the same way.
func failsForAll(err error) bool {
	var api *awsjson.APIError
	return !errors.As(err, &api) || awsjson.IsTransient(err) || awsjson.HasCode(err, expiredCodes...) ||
		awsjson.HasCode(err, refusedCodes...)
}

// explain returns why there is no value at a location, and what to do about it.
func explain(l location, r result) error {
	var (
		known       *problem
		connection  *awsjson.ConnectionError
		certificate *tls.CertificateVerificationError
		unsigned    *awsjson.CredentialsError
		timeout     *awsjson.TimeoutError
		api         *awsjson.APIError
		missing     *missingError
		dns         *net.DNSError
	)
	p := &problem{cause: r.err, serviceFailed: awsjson.IsTransient(r.err)}
	service := services[l.kind].Name
	route := "its subnet needs a route there: a NAT gateway, or a VPC endpoint of " + service +
		" whose security group lets the task in at port 443"
	switch {
	case errors.As(r.err, &known):
		return known
	case errors.Is(r.err, context.Canceled), errors.Is(r.err, context.DeadlineExceeded):
		p.message, p.serviceFailed = l.describe()+" was not read in time: "+r.err.Error(), false
	case errors.As(r.err, &unsigned):
		p.message = "there are no AWS credentials: " + oneLine(credentials.Message(unsigned.Err))
		p.advice = cmp.Or(
			credentials.Hint(unsigned.Err), "give the task a task role; on a laptop log in and set AWS_PROFILE",
		)
	case errors.As(r.err, &timeout):
		p.message, p.advice = timeout.Error(), route
	case errors.As(r.err, &dns) && dns.IsNotFound:
		p.message = "there is no host " + dns.Name
		p.advice = "check that " + l.region + ", " + l.origin + ", is a region; without a route to the internet " +
			"the VPC needs " +
			"an endpoint of " + service + " with private DNS"
	case errors.As(r.err, &connection) && errors.As(r.err, &certificate):
		p.message = "the certificate of " + awsjson.Host(
			connection.Endpoint,
		) + " is not trusted: " + certificate.Err.Error()
		p.advice = "behind a proxy that opens TLS, set AWS_CA_BUNDLE to its certificate"
	case errors.As(r.err, &connection):
		p.message, p.advice = awsjson.Host(connection.Endpoint)+" cannot be reached: "+connection.Error(), route
	case errors.As(r.err, &missing):
		p.message, p.advice = l.notFound(missing)
	case errors.As(r.err, &api):
		l.explainAPI(p, api, r.action)
	default:
		p.message = l.describe() + " cannot be read: " + r.err.Error()
	}
	return p
}

// describe names the secret or parameter and its region, for messages.
func (l location) describe() string { return l.noun() + " in " + l.region }

func (l location) noun() string {
	switch {
	case l.kind == reference.SecretsManager:
		return "the secret " + l.name()
	case l.path:
		return "the path " + l.name()
	}
	return "the parameter " + l.name()
}

// notFound is the message and advice for a secret or parameter that does not exist.
func (l location) notFound(missing *missingError) (message, advice string) {
	where := " in " + l.region + ", " + l.origin
	advice = "check the name and the region; refer to one in another region by its ARN"
	switch {
	case missing != nil && missing.newest > 0:
		return fmt.Sprintf(
				"%s has no version or label %s; its newest version is %d",
				l.describe(),
				l.version,
				missing.newest,
			),
			"look at its history"
	case l.path:
		return "there is no parameter under " + l.name() + where, advice
	case l.kind == reference.ParameterStore:
		return "there is no parameter " + l.name() + where, advice + ", and so is one whose name does not begin " +
			"with a slash"
	}
	return "there is no secret " + l.name() + where, advice
}

// explainAPI explains an error response.
func (l location) explainAPI(p *problem, api *awsjson.APIError, action string) {
	text := oneLine(api.Error())
	switch {
	case p.serviceFailed:
		p.message = l.describe() + " cannot be read, because the service failed: " + api.Error()
		p.advice = "try again later"
	case isDecryption(api):
		key := cmp.Or(find(`arn:aws[a-z-]*:kms:[A-Za-z0-9:/_-]+`, api.Message), "its KMS key")
		p.message = l.describe() + " cannot be decrypted: " + text
		p.advice = "allow kms:Decrypt on " + key + ", in the task role's policy and in the key's own, and check that " +
			"the key is enabled"
	case isDenied(api):
		p.message = action + " is denied on " + l.describe() + deniedTo(api.Message)
		p.advice = "allow " + action + " on " + l.resource() + " to the task role"
		if strings.Contains(api.Message, "explicit deny") {
			p.advice = "a policy denies it explicitly, which no other policy can override: find its Deny"
		}
	case slices.Contains(expiredCodes, api.Code):
		p.message = "the AWS credentials have expired (" + api.Code + ")"
		p.advice = "log in again; a task gets fresh ones from its task role, unless AWS_ACCESS_KEY_ID is set"
	case slices.Contains(refusedCodes, api.Code):
		p.message = "AWS does not accept the credentials in " + l.region + ": " + text
		p.advice = "check that they belong to an " +
			"account for which " + l.region + " is enabled, and that the clock is right"
	case slices.Contains(notFoundCodes, api.Code) && strings.Contains(api.Message, "secret value"):
		p.message = l.describe() + " has no " + l.versionText()
		p.advice = "look at its versions and their stages; a secret without a value has none"
	case slices.Contains(notFoundCodes, api.Code):
		p.message, p.advice = l.notFound(nil)
	case isScheduledForDeletion(api):
		p.message = l.describe() + " is scheduled for deletion"
		p.advice = "restore it, or refer to another one"
	case api.Code == "InvalidRequestException" && l.stage != "" && l.version != "":
		p.message = l.describe() + " has no version " + l.version + " at the stage " + l.stage
		p.advice = "name the stage or the version's id, not both"
	case slices.Contains(nameCodes, api.Code):
		p.message = l.describe() + " cannot be requested: " + text
		p.advice = "correct the reference"
	default:
		p.message = l.describe() + " cannot be read: " + text
	}
}

// isDecryption reports whether the KMS key of the secret could not be used.
func isDecryption(api *awsjson.APIError) bool {
	aboutKey := strings.Contains(strings.ToLower(api.Message), "kms") ||
		strings.Contains(api.Message, "ciphertext refers")
	return isDenied(api) && aboutKey || slices.Contains(decryptionCodes, api.Code)
}

func isScheduledForDeletion(api *awsjson.APIError) bool {
	phrases := []string{"marked for deletion", "marked deleted", "scheduled for deletion"}
	return api.Code == "InvalidRequestException" &&
		slices.ContainsFunc(phrases, func(p string) bool { return strings.Contains(api.Message, p) })
}

// versionText is the version that a reference names.
func (l location) versionText() string {
	switch {
	case l.version != "":
		return "version " + l.version
	case l.stage != "":
		return "version at the stage " + l.stage
	}
	return "value"
}

// resource is what a policy has to name, as closely as it is known.
func (l location) resource() string {
	resource := l.id
	if !strings.HasPrefix(l.id, "arn:") {
		service := services[l.kind].Name
		prefix := "arn:" + awsjson.Partition(l.region) + ":" + service + ":" + l.region + ":" + cmp.Or(l.account, "*")
		switch {
		case l.kind == reference.SecretsManager:
			return prefix + ":secret:" + l.id + "-??????"
		case l.path:
			path := prefix + ":parameter" + strings.TrimSuffix(l.id, "/")
			return path + " and " + path + "/*"
		default:
			resource = prefix + ":parameter" + l.id
		}
	}
	if l.kind == reference.SecretsManager && !hasRandomEnd(resource) {
		resource += "-??????"
	}
	return resource
}

// hasRandomEnd reports whether an ARN ends as a secret's full ARN does, in a dash and six random characters.
func hasRandomEnd(arn string) bool {
	end := arn[max(0, len(arn)-7):]
	return len(end) == 7 && end[0] == '-' && !strings.ContainsAny(end[1:], "/_+=.@-:?")
}

// deniedTo says to which principal access is denied, and why, as far as the message has it.
func deniedTo(message string) string {
	text := ""
	if principal := find(`arn:aws[a-z-]*:(sts|iam)::[A-Za-z0-9:/_+=,.@-]+`, message); principal != "" {
		text = " to " + principal
	}
	if reason := find(`because .*|with an explicit deny.*`, message); reason != "" {
		text += ", " + oneLine(reason)
	}
	return text
}

// find returns the first match of a pattern. The pattern is compiled here, as most runs need none of them.
func find(pattern, message string) string { return regexp.MustCompile(pattern).FindString(message) }

// oneLine makes a service's message fit for a line of a log.
func oneLine(message string) string {
	const limit = 400
	message = strings.Join(strings.Fields(message), " ")
	if len(message) > limit {
		message = strings.ToValidUTF8(message[:limit], "") + "…"
	}
	return message
}
