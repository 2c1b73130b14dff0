"""What moto lacks for carlin deploy: termination protection, and a check of templates that is no stricter than AWS's.

Python runs this file by itself where its folder is on PYTHONPATH, so that moto_server stays the program it is.
"""

from moto.cloudformation.models import CloudFormationBackend
from moto.cloudformation.responses import CloudFormationResponse
from moto.core.responses import ActionResult


def update_termination_protection(self):
    stack = self.cloudformation_backend.get_stack(self._get_param("StackName"))
    stack.enable_termination_protection = str(self._get_param("EnableTerminationProtection")).lower() == "true"
    return ActionResult({"StackId": stack.stack_id})


CloudFormationResponse.update_termination_protection = update_termination_protection
CloudFormationBackend.validate_template = lambda self, template: []
