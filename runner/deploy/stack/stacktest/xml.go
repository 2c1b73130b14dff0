package stacktest

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

func (k *Stack) xml() string {
	var b strings.Builder
	b.WriteString(
		tag(
			"StackId",
			k.ID,
		) + tag(
			"StackName",
			k.Name,
		) + tag(
			"StackStatus",
			k.Status,
		) + tag(
			"CreationTime",
			k.made.Format(time.RFC3339),
		),
	)
	list := func(name, key, value string, m map[string]string) {
		fmt.Fprintf(&b, "<%s>", name)
		for n, v := range m {
			if name == "Parameters" && slices.Contains(k.Hidden, n) {
				v = "****"
			}
			b.WriteString("<member>" + tag(key, n) + tag(value, v))
			if at := k.Resolved[n]; name == "Parameters" && at != "" {
				b.WriteString(tag("ResolvedValue", at))
			}
			b.WriteString("</member>")
		}
		fmt.Fprintf(&b, "</%s>", name)
	}
	list("Parameters", "ParameterKey", "ParameterValue", k.Parameters)
	list("Tags", "Key", "Value", k.Tags)
	list("Outputs", "OutputKey", "OutputValue", k.Outputs)
	b.WriteString(
		"<Capabilities><member>CAPABILITY_IAM</member></Capabilities><NotificationARNs><member>" + Topic + "</member></NotificationARNs>" + tag(
			"RoleARN",
			Role,
		),
	)
	return b.String()
}

// page is how many events a response contains; CloudFormation's has 100.
const page = 4

func (k *Stack) eventsXML(token string) string {
	from, _ := strconv.Atoi(token)
	var b strings.Builder
	b.WriteString("<StackEvents>")
	last := len(k.events) - 1 - from
	for i := last; i >= 0 && i > last-page; i-- {
		e := k.events[i]
		resource, kind, physical := k.Name, "AWS::CloudFormation::Stack", k.ID
		if e.Resource != "" {
			resource, kind, physical = e.Resource, e.Type, "physical-"+e.Resource
		}
		b.WriteString(
			"<member>" + tag(
				"EventId",
				e.id,
			) + tag(
				"StackId",
				k.ID,
			) + tag(
				"StackName",
				k.Name,
			) + tag(
				"LogicalResourceId",
				resource,
			) +
				tag(
					"PhysicalResourceId",
					physical,
				) + tag(
				"ResourceType",
				kind,
			) + tag(
				"ResourceStatus",
				e.Status,
			) +
				tag(
					"Timestamp",
					e.at.Format(time.RFC3339Nano),
				),
		)
		if e.Reason != "" {
			b.WriteString(tag("ResourceStatusReason", e.Reason))
		}
		if e.Token != "" {
			b.WriteString(tag("ClientRequestToken", e.Token))
		}
		b.WriteString("</member>")
	}
	b.WriteString("</StackEvents>")
	if last-page >= 0 {
		b.WriteString(tag("NextToken", strconv.Itoa(from+page)))
	}
	return b.String()
}

func tag(name, text string) string {
	var b strings.Builder
	xml.EscapeText(&b, []byte(text))
	return "<" + name + ">" + b.String() + "</" + name + ">"
}

func answer(w http.ResponseWriter, action, result string) {
	if len(result) > 4<<10 {
		// The SDK closes the request's body as soon as a response begins. On a network as fast as this one the
		// transport may not have read the body's end by then, and gives up the connection with the rest of the
		// response.
		time.Sleep(20 * time.Millisecond)
	}
	w.Header().Set("Content-Type", "text/xml")
	fmt.Fprintf(
		w,
		`<%sResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/"><%sResult>%s</%sResult><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></%sResponse>`,
		action,
		action,
		result,
		action,
		action,
	)
}

func refuse(w http.ResponseWriter, code, message string) {
	w.Header().Set("Content-Type", "text/xml")
	status := http.StatusBadRequest
	switch code {
	case "AccessDenied":
		status = http.StatusForbidden
	case "ServiceUnavailable", "InternalFailure":
		status = http.StatusServiceUnavailable
	}
	w.WriteHeader(status)
	fmt.Fprintf(
		w,
		`<ErrorResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/"><Error><Type>Sender</Type><Code>%s</Code>%s</Error><RequestId>1</RequestId></ErrorResponse>`,
		code,
		tag("Message", message),
	)
}
