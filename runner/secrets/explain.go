package secrets

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"regexp"
	"strings"

	"github.com/carlin-cicd/runner/runner/awsjson"
	"github.com/carlin-cicd/runner/steps/reference"
)

// Codes of the services by what they mean. The rest of them is told as it comes.
var (
	deniedCodes  = []string{"AccessDeniedException", "AccessDenied"}
	expiredCodes = []string{"ExpiredToken", "ExpiredTokenException", "RequestExpired"}
	refusedCodes = []string{
		"UnrecognizedClientException", "InvalidClientTokenId", "MissingAuthenticationToken", "MissingAuthenticationTokenException",
		"InvalidSignatureException", "SignatureDoesNotMatch", "IncompleteSignature", "IncompleteSignatureException", "NotAuthorized", "OptInRequired",
	}
	decryptionCodes = []string{"DecryptionFailure", "InvalidKeyId", "KMSInvalidStateException", "KMSAccessDeniedException", "KMSNotFoundException"}
	absentCodes     = []string{"ResourceNotFoundException", "ParameterNotFound", "ParameterVersionNotFound"}
	nameCodes       = []string{"ValidationException", "InvalidParameterException"}
)

func has(err error, codes []string) bool { return awsjson.HasCode(err, codes...) }

func denied(err error) bool { return has(err, deniedCodes) }

// hopeless reports whether asking for one thing instead of several would end the same.
func hopeless(err error) bool {
	var no *awsjson.APIError
	return !errors.As(err, &no) || awsjson.IsTransient(err) || has(err, expiredCodes) || has(err, refusedCodes)
}

// explain says why there is no answer for what is kept in p, and what to do about it.
func explain(p place, a answer) error {
	var (
		already     *problem
		lost        *awsjson.ConnectionError
		certificate *tls.CertificateVerificationError
		credentials *awsjson.CredentialsError
		stall       *awsjson.TimeoutError
		no          *awsjson.APIError
		missing     *missingError
		dns         *net.DNSError
	)
	said := &problem{cause: a.err, service: awsjson.IsTransient(a.err)}
	route := fmt.Sprintf("its subnet needs a way there: a NAT gateway, or a VPC endpoint of %s whose security group lets the task in at port 443", services[p.kind].Name)
	switch {
	case errors.As(a.err, &already):
		return already
	case errors.Is(a.err, context.Canceled), errors.Is(a.err, context.DeadlineExceeded):
		said.said, said.service = p.what()+" was not read in time: "+a.err.Error(), false
	case errors.As(a.err, &credentials):
		said.said = "no AWS credentials can be had: " + textOf(credentials)
		said.advice = "give the task a task role; on a laptop log in and set AWS_PROFILE"
	case errors.As(a.err, &stall):
		said.said, said.advice = stall.Error(), route
	case errors.As(a.err, &dns) && dns.IsNotFound:
		said.said = "there is no host " + dns.Name
		said.advice = "see that " + p.region + ", " + p.origin + ", is a region; without a way to the internet the VPC needs an endpoint of " + services[p.kind].Name + " with private DNS"
	case errors.As(a.err, &lost) && errors.As(a.err, &certificate):
		said.said = "the certificate of " + awsjson.Host(lost.Endpoint) + " is not trusted: " + certificate.Err.Error()
		said.advice = "behind a proxy that opens TLS, point AWS_CA_BUNDLE to its certificate"
	case errors.As(a.err, &lost):
		said.said, said.advice = awsjson.Host(lost.Endpoint)+" cannot be reached: "+lost.Error(), route
	case errors.As(a.err, &missing):
		said.said, said.advice = p.absent(missing)
	case errors.As(a.err, &no):
		p.refused(said, no, a.action)
	default:
		said.said = p.what() + " cannot be read: " + a.err.Error()
	}
	return said
}

// what names the thing for people, and where it was looked for.
func (p place) what() string { return p.thing() + " in " + p.region }

func (p place) thing() string {
	switch {
	case p.kind == reference.SecretsManager:
		return "the secret " + p.name()
	case p.path:
		return "the path " + p.name()
	}
	return "the parameter " + p.name()
}

// absent says that there is no such thing.
func (p place) absent(missing *missingError) (said, advice string) {
	where := " in " + p.region + ", " + p.origin
	advice = "see that the name is right, and the region; what is in another one is referred to by its ARN"
	switch {
	case missing != nil && missing.newest > 0:
		return fmt.Sprintf("%s has no version or label %s; its newest version is %d", p.what(), p.version, missing.newest), "see its history"
	case p.path:
		return "there is no parameter under " + p.name() + where, advice
	case p.kind == reference.ParameterStore:
		return "there is no parameter " + p.name() + where, advice + ", and so is a parameter whose name begins with no slash"
	}
	return "there is no secret " + p.name() + where, advice
}

// refused says what the service's code means.
func (p place) refused(said *problem, no *awsjson.APIError, action string) {
	switch {
	case said.service:
		said.said = p.what() + " cannot be read, and the service is to blame: " + no.Error()
		said.advice = "try again later"
	case has(no, deniedCodes) && strings.Contains(strings.ToLower(no.Message), "kms"), has(no, deniedCodes) && strings.Contains(no.Message, "ciphertext refers"), has(no, decryptionCodes):
		key := inMessage(`arn:aws[a-z-]*:kms:[A-Za-z0-9:/_-]+`, no.Message)
		said.said = p.what() + " cannot be decrypted: " + tidy(no.Error())
		said.advice = "allow kms:Decrypt on " + either(key, "its KMS key") + ", in the task role's policy and in the key's own, and see that the key is enabled"
	case has(no, deniedCodes):
		said.said = action + " is denied on " + p.what() + who(no.Message)
		said.advice = "allow " + action + " on " + p.resource() + " to the task role"
		if strings.Contains(no.Message, "explicit deny") {
			said.advice = "a policy denies it explicitly, and no other one can allow it: find its Deny"
		}
	case has(no, expiredCodes):
		said.said = "the AWS credentials have expired (" + no.Code + ")"
		said.advice = "log in again; a task has fresh ones from its task role, unless AWS_ACCESS_KEY_ID is set"
	case has(no, refusedCodes):
		said.said = "AWS does not accept the credentials in " + p.region + ": " + tidy(no.Error())
		said.advice = "see that they belong to an account for which " + p.region + " is enabled, and that the clock is right"
	case has(no, absentCodes) && strings.Contains(no.Message, "secret value"):
		said.said = p.what() + " has no " + p.wanted()
		said.advice = "see its versions and their stages; a secret that was never given a value has none"
	case has(no, absentCodes):
		said.said, said.advice = p.absent(nil)
	case no.Code == "InvalidRequestException" && (strings.Contains(no.Message, "marked for deletion") || strings.Contains(no.Message, "marked deleted") || strings.Contains(no.Message, "scheduled for deletion")):
		said.said = p.what() + " is scheduled for deletion"
		said.advice = "restore it, or refer to another one"
	case no.Code == "InvalidRequestException" && p.stage != "" && p.version != "":
		said.said = p.what() + " has no version " + p.version + " at the stage " + p.stage
		said.advice = "name the stage or the version's id, not both"
	case has(no, nameCodes):
		said.said = p.what() + " cannot be asked for: " + tidy(no.Error())
		said.advice = "see that the reference is right"
	default:
		said.said = p.what() + " cannot be read: " + tidy(no.Error())
	}
}

// wanted is the version that a reference asks for.
func (p place) wanted() string {
	switch {
	case p.version != "":
		return "version " + p.version
	case p.stage != "":
		return "version at the stage " + p.stage
	}
	return "value"
}

// resource is what a policy has to name, as closely as it can be known.
func (p place) resource() string {
	resource := p.id
	if !strings.HasPrefix(p.id, "arn:") {
		prefix := "arn:" + awsjson.Partition(p.region) + ":" + services[p.kind].Name + ":" + p.region + ":" + either(p.account, "*")
		switch {
		case p.kind == reference.SecretsManager:
			return prefix + ":secret:" + p.id + "-??????"
		case p.path:
			return prefix + ":parameter" + strings.TrimSuffix(p.id, "/") + " and " + prefix + ":parameter" + strings.TrimSuffix(p.id, "/") + "/*"
		default:
			resource = prefix + ":parameter" + p.id
		}
	}
	if p.kind == reference.SecretsManager && !hasRandomEnd(resource) {
		resource += "-??????"
	}
	return resource
}

// hasRandomEnd reports whether an ARN ends as those of whole secrets do, in a dash and six random characters.
func hasRandomEnd(arn string) bool {
	end := arn[max(0, len(arn)-7):]
	return len(end) == 7 && end[0] == '-' && !strings.ContainsAny(end[1:], "/_+=.@-:?")
}

// who says to whom something is denied and why, as far as AWS tells.
func who(message string) string {
	said := ""
	if is := inMessage(`arn:aws[a-z-]*:(sts|iam)::[A-Za-z0-9:/_+=,.@-]+`, message); is != "" {
		said = " to " + is
	}
	if because := inMessage(`because .*|with an explicit deny.*`, message); because != "" {
		said += ", " + tidy(because)
	}
	return said
}

// inMessage compiles its pattern when something has failed, which most starts are spared.
func inMessage(pattern, message string) string {
	return regexp.MustCompile(pattern).FindString(message)
}

// tidy makes a service's message fit for a line of a log.
func tidy(message string) string {
	const most = 400
	message = strings.Join(strings.Fields(message), " ")
	if len(message) > most {
		message = strings.ToValidUTF8(message[:most], "") + "…"
	}
	return message
}

// textOf is the error without what a credential_process has written: it would have been credentials.
func textOf(e *awsjson.CredentialsError) string {
	said, _, cut := strings.Cut(e.Err.Error(), "process provider error")
	if cut {
		said += "credential_process has failed"
	}
	return tidy(said)
}

func either(this, that string) string {
	if this != "" {
		return this
	}
	return that
}
