package secrets

import (
	"net/http"
	"strings"
	"testing"
)

func TestErrorResponsesAreExplained(t *testing.T) {
	const key = "arn:aws:kms:eu-west-1:123456789012:key/8a1b-22"
	for _, c := range []struct {
		name, reference string
		status          int // 0 for 400
		code, message   string
		problem, advice string
	}{
		{
			"a secret whose key is denied", "secretsmanager:s", 0, "AccessDeniedException",
			"Access to KMS is not allowed", "the secret s in eu-west-1 cannot be decrypted",
			"allow kms:Decrypt on its KMS key",
		},
		{
			"a secret whose key cannot decrypt it", "secretsmanager:s", 0, "DecryptionFailure",
			"Secrets Manager can't decrypt the protected secret text using the provided KMS key.",
			"cannot be decrypted: DecryptionFailure", "check that the key is enabled",
		},
		{
			"a parameter whose key is denied by name", "ssm:/p", 0, "AccessDeniedException",
			"User: " + user + " is not authorized to perform: kms:Decrypt " +
				"on resource: " + key + " because no identity-based policy allows it (Service: AWSKMS)",
			"the parameter /p in eu-west-1 cannot be decrypted", "allow kms:Decrypt on " + key,
		},
		{
			"a parameter whose key is denied", "ssm:/p", 0, "AccessDeniedException",
			"The ciphertext refers to a customer master key that does not exist, does not exist in this region, or " +
				"you are not allowed to access.",
			"the parameter /p in eu-west-1 cannot be decrypted", "allow kms:Decrypt on its KMS key",
		},
		{
			"a parameter whose key is disabled", "ssm:/p", 0, "InvalidKeyId", key + " is disabled.",
			"cannot be decrypted: InvalidKeyId", "check that the key is enabled",
		},
		{
			"a denied parameter", "ssm:/p", 0, "AccessDeniedException",
			"User: " + user + " is not authorized to perform: ssm:GetParameters on resource: " +
				"arn:aws:ssm:eu-west-1:123456789012:parameter/p because no identity-based policy allows the " +
				"ssm:GetParameters action",
			"ssm:GetParameters is denied on the parameter /p in " +
				"eu-west-1 to " + user + ", because no identity-based policy",
			"allow ssm:GetParameters on arn:aws:ssm:eu-west-1:*:parameter/p to the task role",
		},
		{
			"a denied path", "ssm:/p/q/*", 0, "AccessDeniedException", "User: " + user + " is not authorized",
			"ssm:GetParametersByPath is denied on the path /p/q in eu-west-1 to " + user,
			"on arn:aws:ssm:eu-west-1:*:parameter/p/q and arn:aws:ssm:eu-west-1:*:parameter/p/q/*",
		},
		{
			"an explicit Deny", "secretsmanager:s", 0, "AccessDeniedException",
			"User: " + user + " is not authorized to perform: secretsmanager:GetSecretValue on resource: s with an " +
				"explicit deny in a service control policy",
			"with an explicit deny in a service control policy", "find its Deny",
		},
		{
			"a denied ARN", "arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:s-AbCdEf:k::", 0,
			"AccessDeniedException", "", "denied on the secret s-AbCdEf in cn-north-1",
			"on arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:s-AbCdEf to",
		},
		{
			"a denied partial ARN", "arn:aws:secretsmanager:us-east-1:123456789012:secret:ci/npm", 0,
			"AccessDeniedException", "", "denied on the secret ci/npm in us-east-1", "secret:ci/npm-?????? to",
		},
		{
			"a name that ends like an ARN", "secretsmanager:db-passwd", 0, "AccessDeniedException", "",
			"denied on the secret db-passwd", "secret:db-passwd-?????? to",
		},
		{
			"an expired token", "secretsmanager:s", 0, "ExpiredTokenException",
			"The security token included in the request is expired",
			"the AWS credentials have expired (ExpiredTokenException)", "log in again",
		},
		{
			"an unknown token", "ssm:/p", 0, "UnrecognizedClientException",
			"The security token included in the request is invalid.",
			"AWS does not accept the credentials in eu-west-1: UnrecognizedClientException", "eu-west-1 is enabled",
		},
		{
			"a wrong clock", "ssm:/p", 0, "InvalidSignatureException",
			"Signature expired: 20261123T000000Z is now earlier than 20261123T001000Z", "Signature expired",
			"that the clock is right",
		},
		{
			"a namespace before the code", "ssm:/p", 0,
			"com.amazonaws.ssm#InvalidKeyId:http://internal.amazon.com/coral/", "no",
			"cannot be decrypted: InvalidKeyId: no", "",
		},
		{
			"a secret scheduled for deletion", "secretsmanager:s", 0, "InvalidRequestException",
			"You can't perform this operation on the secret because it was marked for deletion.",
			"the secret s in eu-west-1 is scheduled for deletion", "restore it",
		},
		{
			"a stage and an id that do not match", "secretsmanager:s::AWSCURRENT:id", 0, "InvalidRequestException",
			"You provided a VersionStage that is not associated to the provided VersionId.",
			"has no version id at the stage AWSCURRENT", "not both",
		},
		{
			"no such secret", "secretsmanager:s", 0, "ResourceNotFoundException",
			"Secrets Manager can't find the specified secret.", "there is no secret s in eu-west-1", "by its ARN",
		},
		{
			"no such stage", "secretsmanager:s::AWSPENDING", 0, "ResourceNotFoundException",
			"Secrets Manager can't find the specified secret value for staging label: AWSPENDING",
			"the secret s in eu-west-1 has no version at the stage AWSPENDING", "stages",
		},
		{
			"no such version", "secretsmanager:s:::v", 0, "ResourceNotFoundException",
			"Secrets Manager can't find the specified secret value for VersionId: v", "has no version v", "",
		},
		{
			"a secret without a value", "secretsmanager:s", 0, "ResourceNotFoundException",
			"Secrets Manager can't find the specified secret value for staging label: AWSCURRENT",
			"the secret s in eu-west-1 has no value", "without a value has none",
		},
		{
			"an invalid name", "secretsmanager:s", 0, "ValidationException",
			"Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!",
			"cannot be requested: ValidationException: Invalid name", "correct the reference",
		},
		{
			"an unknown code", "secretsmanager:s", 0, "TeapotException", "short\nand   stout",
			"cannot be read: TeapotException: short and stout", "",
		},
		{"a proxy that refuses", "secretsmanager:s", 403, "", "", "cannot be read: 403 Forbidden", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			status := c.status
			if status == 0 {
				status = http.StatusBadRequest
			}
			r, count := fake(
				t,
				func(string, object) (int, any) { return status, object{"__type": c.code, "Message": c.message} },
			)
			_, err := resolve(t, r, map[string]string{"V": c.reference})
			f := problems(t, err)["V"]
			if !strings.Contains(f.Problem, c.problem) || !strings.Contains(f.Advice, c.advice) || f.Retryable() {
				t.Errorf("%s\nhint: %s", f.Problem, f.Advice)
			}
			if strings.Contains(f.Problem, "\n") {
				t.Errorf("%q is more than one line", f.Problem)
			}
			for operation, n := range count.take() {
				if n != 1 {
					t.Errorf("there were %[2]d attempts of %[1]s", operation, n)
				}
			}
		})
	}
}
