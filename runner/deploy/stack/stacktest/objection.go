package stacktest

import (
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// accepted lists the states in which each request is accepted, as the API reference and the user guide document them.
var accepted = map[string][]string{
	"UpdateStack": {
		"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE", "IMPORT_ROLLBACK_COMPLETE",
	},
	"RollbackStack":          {"CREATE_FAILED", "UPDATE_FAILED"},
	"ContinueUpdateRollback": {"UPDATE_ROLLBACK_FAILED"},
}

var tokens = regexp.MustCompile(`^[a-zA-Z0-9][-a-zA-Z0-9]{0,127}$`)

// objection returns the code and message by which CloudFormation refuses a request; "" if it accepts it.
func (k *Stack) objection(action string, form url.Values) (code, message string) {
	token := form.Get("ClientRequestToken")
	switch {
	case form.Has("ClientRequestToken") && !tokens.MatchString(token):
		return "ValidationError", "1 validation error detected: Value '" + token + "' at 'clientRequestToken' failed to satisfy constraint"
	case token != "" && slices.Contains(k.tokens, token):
		return "TokenAlreadyExistsException", "Token " + token + " was used before"
	case action == "UpdateStack" && strings.HasSuffix(k.Status, "_IN_PROGRESS"):
		return "ValidationError", "Stack:" + k.ID + " is in " + k.Status + " state and can not be updated."
	case !slices.Contains(accepted[action], k.Status):
		return "ValidationError", "Stack " + k.ID + " is in " + k.Status + " state: " + action + " is not allowed"
	case action != "UpdateStack":
		return "", ""
	}
	return k.updateObjection(form)
}

func (k *Stack) updateObjection(form url.Values) (code, message string) {
	body := form.Get("TemplateBody")
	if len(body) > 51200 {
		return "ValidationError", "1 validation error detected: Value at 'templateBody' failed to satisfy constraint: Member must have length less than or equal to 51200"
	}
	for i := 1; form.Has("Parameters.member." + strconv.Itoa(i) + ".ParameterKey"); i++ {
		at := "Parameters.member." + strconv.Itoa(i) + "."
		key, previous := form.Get(at+"ParameterKey"), form.Get(at+"UsePreviousValue") == "true"
		if _, has := k.Parameters[key]; previous && !has {
			return "ValidationError", "Invalid input for parameter key " + key + ". Cannot specify usePreviousValue as true for a parameter key not in the previous template"
		}
		if previous && form.Get(at+"ParameterValue") != "" {
			return "ValidationError", "Invalid input for parameter key " + key + ". Cannot specify usePreviousValue as true and non empty value for a parameter"
		}
	}
	var has []string
	for i := 1; form.Has("Capabilities.member." + strconv.Itoa(i)); i++ {
		has = append(has, form.Get("Capabilities.member."+strconv.Itoa(i)))
	}
	for word, needed := range map[string]string{"Transform": "CAPABILITY_AUTO_EXPAND", "AWS::IAM::": "CAPABILITY_IAM"} {
		if strings.Contains(body, word) && !slices.Contains(has, needed) {
			return "InsufficientCapabilitiesException", "Requires capabilities : [" + needed + "]"
		}
	}
	next := RevisionOf(k.Revision, form)
	if body == k.Template && maps.Equal(next.Parameters, k.Parameters) && maps.Equal(next.Tags, k.Tags) {
		return "ValidationError", "No updates are to be performed."
	}
	return "", ""
}
