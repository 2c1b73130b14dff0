package remote

import "context"

// FindTask returns a task that was started on the cluster, by its id or ARN. The error is an *Error, one of awsjson's or
// the context's.
func (c *Client) FindTask(ctx context.Context, id string) (Task, error) {
	cluster, err := c.Cluster.output("ClusterArn")
	if err != nil {
		return Task{}, err
	}
	var output struct {
		Tasks []struct{ TaskArn, TaskDefinitionArn string }
	}
	input := map[string]any{"cluster": cluster, "tasks": []string{id}}
	if err := c.ecs.Call(ctx, "DescribeTasks", input, &output); err != nil {
		return Task{}, err
	}
	if len(output.Tasks) == 0 {
		return Task{}, &Error{
			Message: "ECS does not know the task " + id,
			Advice:  "name its cluster with --stack; an hour after its end only its record is left",
		}
	}
	task, err := c.describe(ctx, output.Tasks[0].TaskDefinitionArn)
	if err != nil {
		return Task{}, err
	}
	task.ARN = output.Tasks[0].TaskArn
	if task.group != "" {
		task.stream += "/" + task.container + "/" + task.ID()
	}
	return task, nil
}
