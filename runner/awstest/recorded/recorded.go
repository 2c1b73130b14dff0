// Package recorded has how AWS refuses requests, for fakes: as make test-aws has recorded it in an account, else as AWS
// documents it.
package recorded

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// Refusal is how AWS refuses a request.
type Refusal struct {
	Service   string   `json:"service"`
	Operation string   `json:"operation"`
	About     string   `json:"about"` // what the request was about: "no repository"
	Status    int      `json:"status"`
	Code      string   `json:"code"`
	Message   string   `json:"message"`
	Also      []string `json:"-"` // further codes by which the runner knows the refusal
}

// documented are the refusals that the runner knows, as AWS documents them.
var documented = []Refusal{
	{"ecr", "DescribeImages", "no repository", 400, "RepositoryNotFoundException", "The repository with name 'conformance-none' does not exist in the registry with id '123456789012'", nil},
	{"ecr", "DescribeImages", "no image", 400, "ImageNotFoundException", "The image with imageId {imageDigest:'null', imageTag:'conformance-none'} does not exist within the repository", nil},
	{"secretsmanager", "DescribeSecret", "no secret", 400, "ResourceNotFoundException", "Secrets Manager can't find the specified secret.", nil},
	{"ssm", "GetParameter", "no parameter", 400, "ParameterNotFound", "", nil},
	{"events", "ListRules", "no bus", 400, "ResourceNotFoundException", "EventBus conformance-none does not exist.", nil},
	{"states", "DescribeStateMachine", "no machine", 400, "StateMachineDoesNotExist", "State Machine Does Not Exist: 'arn:aws:states:eu-west-1:123456789012:stateMachine:conformance-none'", nil},
	{"sqs", "GetQueueAttributes", "no queue", 400, "QueueDoesNotExist", "The specified queue does not exist.", []string{"AWS.SimpleQueueService.NonExistentQueue"}},
	{"dynamodb", "GetItem", "no table", 400, "ResourceNotFoundException", "Requested resource not found", nil},
	{"iam", "GetRole", "no role", 404, "NoSuchEntity", "The role with name conformance-none cannot be found.", nil},
	{"iam", "GetOpenIDConnectProvider", "no provider", 404, "NoSuchEntity", "OpenIDConnect Provider not found for arn arn:aws:iam::123456789012:oidc-provider/conformance-none", []string{"NoSuchEntityException"}},
	{"sns", "GetTopicAttributes", "no topic", 404, "NotFound", "Topic does not exist", []string{"NotFoundException"}},
	{"cloudformation", "DescribeStacks", "no stack", 400, "ValidationError", "Stack with id conformance-none does not exist", nil},
	{"ec2", "DescribeSubnets", "no subnet", 400, "InvalidSubnetID.NotFound", "The subnet ID 'subnet-0123456789abcdef0' does not exist", nil},
	{"s3", "GetObject", "no object", 404, "NoSuchKey", "The specified key does not exist.", nil},
	{"s3", "PutObject", "an object that exists", 412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold", nil},
	{"s3", "AbortMultipartUpload", "no upload", 404, "NoSuchUpload", "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.", nil},
	{"s3", "PutObject", "a policy that denies", 403, "AccessDenied", "Access Denied", nil},
}

// Documented returns the refusals that the runner knows, without what was recorded.
func Documented() []Refusal { return slices.Clone(documented) }

// Folder is where make test-aws keeps what it records.
func Folder() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "../../../infra/conformance/testdata/aws")
}

// Of returns how a service refuses a request about something. It panics if the runner knows of no such refusal, or if the
// recording cannot be read: a test cannot go on without it.
func Of(service, about string) Refusal {
	r, err := In(Folder(), service, about)
	if err != nil {
		panic(err)
	}
	return r
}

// In is Of with the recordings of a folder.
func In(folder, service, about string) (Refusal, error) {
	at := slices.IndexFunc(documented, func(r Refusal) bool { return r.Service == service && r.About == about })
	if at < 0 {
		return Refusal{}, fmt.Errorf("recorded: no refusal of %s about %s", service, about)
	}
	known := documented[at]
	text, err := os.ReadFile(filepath.Join(folder, known.file()))
	if errors.Is(err, fs.ErrNotExist) {
		return known, nil
	}
	recorded := Refusal{Also: known.Also}
	if err == nil {
		err = json.Unmarshal(text, &recorded)
	}
	if err == nil && (recorded.Code == "" || recorded.Status == 0) {
		err = errors.New("it has no code or no status")
	}
	if err != nil {
		return known, fmt.Errorf("recorded: %s: %w", known.file(), err)
	}
	return recorded, nil
}

// Knows reports whether the runner knows the refusal by its code.
func (r Refusal) Knows(code string) bool { return code == r.Code || slices.Contains(r.Also, code) }

// Record keeps how AWS refused a request.
func Record(folder string, r Refusal) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err == nil {
		err = os.MkdirAll(folder, 0o755)
	}
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, r.file()), append(text, '\n'), 0o644)
}

func (r Refusal) file() string {
	return r.Service + "-" + strings.ReplaceAll(r.About, " ", "-") + ".json"
}
