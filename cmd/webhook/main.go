// Command webhook is the Lambda behind the function URL that GitHub calls: it verifies a delivery's signature and puts
// the documented event on the pipeline's bus.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "webhook:", err)
		os.Exit(1)
	}
}

// run serves until Lambda ends the process.
func run(ctx context.Context) error {
	bus, secret := os.Getenv("EVENT_BUS_NAME"), os.Getenv("WEBHOOK_SECRET_ARN")
	if bus == "" || secret == "" {
		return fmt.Errorf("EVENT_BUS_NAME and WEBHOOK_SECRET_ARN must be set: deploy with webhook.yaml")
	}
	allowed, err := parseRepositories(os.Getenv("REPOSITORIES"))
	if err != nil {
		return err
	}
	// Retries are ours, since they must fit into the time that GitHub waits.
	aws, err := config.LoadDefaultConfig(ctx, config.WithRetryer(func() aws.Retryer { return aws.NopRetryer{} }))
	if err != nil {
		return fmt.Errorf("AWS settings: %w", err)
	}
	h := &handler{
		keys:    &keyring{store: secretsmanager.NewFromConfig(aws), arn: secret, now: time.Now},
		events:  &publisher{client: eventbridge.NewFromConfig(aws), name: bus},
		allowed: allowed,
		log:     slog.New(slog.NewJSONHandler(os.Stdout, nil)),
		metrics: os.Stdout,
		name:    os.Getenv("AWS_LAMBDA_FUNCTION_NAME"),
		now:     time.Now,
	}
	lambda.StartWithOptions(h.handle, lambda.WithContext(ctx))
	return nil
}
