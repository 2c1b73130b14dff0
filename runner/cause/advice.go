package cause

import (
	"strings"

	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/steps/pattern"
)

// advise says what to do about a failure of the machine, the network or the set-up, whose own words rarely do.
func advise(c *record.Cause) {
	if c.Hint != "" || c.Kind != record.CauseOutput {
		return
	}
	said := c.Summary + "\n" + strings.Join(c.Lines, "\n")
	for _, a := range advices {
		if a.form.MatchString(said) {
			c.Hint = a.hint
			return
		}
	}
}

var advices = []struct {
	form *pattern.Pattern
	hint string
}{
	{
		pattern.New(`ENOSPC|[Nn]o space left on device|[Dd]isk quota exceeded`),
		"the disk is full: remove what the step does not need, or give the task more (ephemeralStorage of the task definition; " +
			"Fargate has 20 GiB by default)",
	},
	{
		pattern.New(`EADDRINUSE|[Aa]ddress already in use`),
		"another process has the port: end what an earlier command started, do not start two servers side by side, or listen " +
			"on port 0",
	},
	{
		pattern.New(`CERT_HAS_EXPIRED|certificate (?:has |is )?expired|certificate has expired or is not yet valid`),
		"renew the certificate of the server, or update the image's root certificates (ca-certificates)",
	},
	{
		pattern.New(`SELF_SIGNED_CERT|self.signed certificate|unable to get local issuer|UNABLE_TO_GET_ISSUER|unknown authority`),
		"add the certificate of the authority to the image: update-ca-certificates, NODE_EXTRA_CA_CERTS or SSL_CERT_FILE",
	},
	{
		pattern.New(`Cannot connect to the Docker daemon|docker daemon is not running`),
		InstallAdvice("docker"),
	},
	{
		pattern.New(`ERESOLVE`),
		"the versions of two dependencies do not fit each other: change one of them in package.json, and commit the lockfile " +
			"that npm install writes",
	},
	{
		pattern.New(`ENOTFOUND|EAI_AGAIN|getaddrinfo|Could not resolve host|Name or service not known|name resolution`),
		"the name of the host was not found: check it, and that the task's subnet has a route to the network that it is in",
	},
	{
		pattern.New(`ECONNREFUSED|[Cc]onnection refused|Can't reach database server`),
		"nothing listens at this address: check host and port, that the service is up before the command (services: in " +
			"runner.yaml waits for one), and its security group",
	},
	{
		pattern.New(`ETIMEDOUT|[Cc]onnection timed out|connect timed out`),
		"the host does not answer: check the task's subnet and route, and the security group of the host",
	},
	{
		pattern.New(`E401|ERR_PNPM_FETCH_401|401 Unauthorized|Unable to authenticate|authentication token seems to be invalid`),
		"the registry refused the token: check that the step has it (secrets: in runner.yaml), that .npmrc names its variable, " +
			"and that it has not expired",
	},
	{
		pattern.New(`Unable to locate credentials|Could not load credentials|NoCredentialProviders|CredentialsProviderError`),
		"the command has no AWS credentials: give the task a role, and see credentials: and role: in runner.yaml",
	},
	{
		pattern.New(`[Mm]issing (?:required )?env|environment variable|KeyError: '[A-Z][A-Z0-9_]+'`),
		"set the variable in environment: or secrets: of the step in runner.yaml, or in the task definition",
	},
	{
		pattern.New(`terminal prompts disabled|Permission denied \(publickey`),
		"git has no credentials for this host: give the runner GITHUB_TOKEN or RUNNER_SSH_KEY for its own checkout, and a token " +
			"of the step's secrets for others",
	},
	{
		pattern.New(`playwright install`),
		"install the browsers in the image: npx playwright install --with-deps, of the version in the lockfile",
	},
	{
		pattern.New(`OutOfMemoryError|heap out of memory|MemoryError`),
		"the program's own limit of memory was reached: raise it (-Xmx, NODE_OPTIONS=--max-old-space-size), and the task's with it",
	},
}
