"""The end of a stack as in AWS: what moto leaves behind, what it makes anew, and what it does not say."""

from moto.cloudformation.parsing import ResourceMap
from moto.cloudformation.responses import CloudFormationResponse
from moto.core.responses import ActionResult
from moto.ec2.models import EC2Backend, ec2_backends
from moto.ec2.models.internet_gateways import InternetGateway
from moto.ec2.models.vpcs import VPCEndPoint
from moto.ecs.models import Cluster, TaskDefinition, ecs_backends
from moto.iam.models import ManagedPolicy, iam_backends


def apply():
    remove, remove_vpc = ResourceMap.delete, EC2Backend.delete_vpc

    def delete(self):
        """moto does not know RetainExceptOnCreate, and makes a resource anew that an output of a deleted stack names."""
        for resource in self._resource_json_map.values():
            if resource.get("DeletionPolicy") == "RetainExceptOnCreate":
                resource["DeletionPolicy"] = "Retain"
        made = dict(self._parsed_resources)
        try:
            remove(self)
        finally:
            self._parsed_resources.update(made)

    def delete_vpc(self, vpc_id):
        """moto leaves a route table behind that it made for the stack, and refuses the VPC for it."""
        for table in self.describe_route_tables(filters={"vpc-id": vpc_id}):
            if table.main_association_id is None:
                self.route_tables.pop(table.id, None)
        return remove_vpc(self, vpc_id)

    ResourceMap.delete, EC2Backend.delete_vpc = delete, delete_vpc
    list_resources = CloudFormationResponse.list_stack_resources

    def list_stack_resources(self):
        """moto says of all resources that they are there."""
        answer = list_resources(self)
        stack = self.cloudformation_backend.get_stack(self._get_param("StackName"))
        if stack.status == "DELETE_COMPLETE":
            for resource in answer.result["StackResourceSummaries"]:
                kept = stack.template_dict["Resources"].get(resource["LogicalResourceId"], {}).get("DeletionPolicy", "").startswith("Retain")
                resource["ResourceStatus"] = "DELETE_SKIPPED" if kept else "DELETE_COMPLETE"
        return ActionResult(answer.result)

    CloudFormationResponse.list_stack_resources = list_stack_resources

    def delete_policy(cls, arn, json, account_id, region_name):
        backend = iam_backends[account_id]["aws"]
        for role in backend.roles.values():
            role.managed_policies.pop(arn, None)
        backend.managed_policies.pop(arn, None)

    def delete_cluster(cls, name, json, account_id, region_name):
        ecs_backends[account_id][region_name].clusters.pop(name.split("/")[-1], None)

    def delete_definition(cls, arn, json, account_id, region_name):
        ecs_backends[account_id][region_name].deregister_task_definition(arn)

    def delete_gateway(cls, id, json, account_id, region_name):
        ec2_backends[account_id][region_name].internet_gateways.pop(id, None)

    def delete_endpoint(cls, id, json, account_id, region_name):
        ec2_backends[account_id][region_name].vpc_end_points.pop(id, None)

    for kind, function in ((ManagedPolicy, delete_policy), (Cluster, delete_cluster), (TaskDefinition, delete_definition), (InternetGateway, delete_gateway), (VPCEndPoint, delete_endpoint)):
        kind.delete_from_cloudformation_json = classmethod(function)
