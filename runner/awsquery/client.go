// Package awsquery calls AWS services that speak the query protocol: a form in, XML out. Input and output are structs
// whose fields have the names of the protocol, as those of the SDK have.
//
// It is for services of which the runner needs one or two operations: the SDK's own clients have code for each structure,
// and EC2's is several megabytes.
package awsquery

import (
	"context"
	"net/http"
	"net/url"
	"reflect"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/carlin-cicd/runner/runner/awsjson"
)

// Service is a service that speaks the protocol.
type Service struct {
	Name    string // in host names and signatures
	ID      string // in AWS_ENDPOINT_URL_…, with blanks
	Version string // of the API
	Global  bool   // whether one endpoint serves the partition
	EC2     bool   // whether it is EC2's dialect: lists are not wrapped
}

// Client calls one service in one region.
type Client struct {
	service Service
	client  *awsjson.Client
}

// New returns a client for the configuration's region. The error is a *awsjson.RegionError.
func New(ctx context.Context, config aws.Config, service Service) (*Client, error) {
	if service.Global {
		config.Region = awsjson.GlobalRegion(config.Region)
	}
	c, err := awsjson.New(ctx, config, awsjson.Service{Name: service.Name, ID: service.ID})
	if err != nil {
		return nil, err
	}
	return &Client{service, c}, nil
}

// Call sends the fields of input, a pointer to a struct, and reads the response into output, which is one, too, or nil.
// The error is the context's, or one of package awsjson.
func (c *Client) Call(ctx context.Context, action string, input, output any) error {
	form := url.Values{"Action": {action}, "Version": {c.service.Version}}
	encoder{form, c.service.EC2}.encode("", reflect.ValueOf(input))
	return c.client.Send(ctx, awsjson.Request{
		Header: map[string]string{"Content-Type": "application/x-www-form-urlencoded"},
		Body:   []byte(form.Encode()),
		Read: func(response *http.Response, text []byte) error {
			root, err := parse(text)
			switch {
			case response.StatusCode != http.StatusOK:
				return apiError(response.StatusCode, root)
			case err != nil:
				return &awsjson.APIError{Status: response.StatusCode, Message: "the response is not valid XML"}
			case output == nil:
				return nil
			}
			if result := root.child(action + "Result"); result != nil {
				root = result
			}
			return decode(reflect.ValueOf(output), root)
		},
	})
}

// apiError reads an error response; root is nil if it is not XML.
func apiError(status int, root *node) error {
	e := &awsjson.APIError{Status: status}
	if root == nil {
		return e
	}
	details := root.child("Error")
	if errors := root.child("Errors"); errors != nil { // EC2's
		details = errors.child("Error")
	}
	if details != nil {
		e.Code, e.Message = details.text("Code"), details.text("Message")
	}
	return e
}
