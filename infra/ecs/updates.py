"""An update of a stack as in AWS: what a parameter reaches, and what is replaced."""

import re

import moto.cloudformation.parsing as parsing
from moto.cloudformation.models import Stack
from moto.cloudformation.parsing import ResourceMap
from moto.ecs.models import TaskDefinition, ecs_backends

REPLACED = "AWS::ECS::TaskDefinition"  # an update makes another revision, which has another ARN


def references(value):
    """The names that a part of a template refers to, also in the text of Fn::Sub, which moto passes over."""
    if isinstance(value, list):
        return [name for member in value for name in references(member)]
    if not isinstance(value, dict):
        return []
    names = []
    for key, argument in value.items():
        if key == "Ref":
            names.append(argument)
        elif key == "Fn::GetAtt":
            names.append(argument[0] if isinstance(argument, list) else argument.split(".")[0])
        elif key == "Fn::Sub":
            text, more = argument if isinstance(argument, list) else (argument, {})
            names += re.findall(r"\$\{([A-Za-z0-9:]+)(?:\.[^}]*)?\}", text) + references(more)
        else:
            names += references(argument)
    return names


def text(value):
    return ",".join(map(text, value)) if isinstance(value, list) else str(value)


def apply():
    parsing.get_references_from_template = references
    difference = ResourceMap.build_resource_diff

    def changed(self, template, parameters=None):
        """A parameter that has its default, and is named, is no change; what is not made is not changed; what refers to something that is replaced is."""
        resolved = {k: text(v) for k, v in self.resolved_parameters.items()}
        known, self.input_parameters = self.input_parameters, {**{k: resolved[k] for k in parameters or {} if k in resolved}, **self.input_parameters}
        try:
            found = difference(self, template, parameters)
        finally:
            self.input_parameters = known
        all_resources = template["Resources"]
        replaced = {name for name in found["Modify"] if all_resources[name]["Type"] == REPLACED}
        found["Modify"] += [n for n, r in all_resources.items() if n not in found["Modify"] + found["Add"] and replaced.intersection(references(r))]
        found["Modify"] = [n for n in found["Modify"] if self.lazy_condition_map.get(all_resources[n].get("Condition"), True)]
        return found

    ResourceMap.build_resource_diff = changed

    def update_definition(cls, original_resource, new_resource_name, cloudformation_json, account_id, region_name):
        ecs_backends[account_id][region_name].deregister_task_definition(original_resource.arn)
        return cls.create_from_cloudformation_json(new_resource_name, cloudformation_json, account_id, region_name)

    update = Stack.update

    def update_stack(self, template, role_arn=None, parameters=None, tags=None):
        """A stack keeps its role."""
        return update(self, template, role_arn or self.role_arn, parameters, tags)

    Stack.update = update_stack
    TaskDefinition.update_from_cloudformation_json = classmethod(update_definition)
