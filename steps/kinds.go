package steps

import (
	"fmt"
	"math"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/goccy/go-yaml/ast"

	"github.com/carlin-cicd/runner/steps/pattern"
	"github.com/carlin-cicd/runner/steps/reference"
)

// Patterns that the parser and the schema share: RE2 and ECMA 262 agree on them.
var (
	stepName     = pattern.New(`^[a-z0-9][a-z0-9._-]{0,62}$`)
	kindName     = pattern.New(`^[a-z0-9][a-z0-9-]{0,62}$`)
	variableName = pattern.New(`^[A-Za-z_][A-Za-z0-9_]*$`)

	// Values that may contain variables of the step.
	accountForm = pattern.New(`^([0-9]{12}|[^$]*\$[^$].*)$`)
	regionForm  = pattern.New(`^([a-z]{2}(-[a-z0-9]+)+-[0-9]|[^$]*\$[^$].*)$`)
	roleForm    = pattern.New(`^(arn:aws[a-z-]*:iam::[0-9]{12}:role/[!-#%-~]+|[^$]*\$[^$].*)$`)
	stackForm   = pattern.New(`^([A-Za-z*?\[][A-Za-z0-9*?\[\]-]{0,127}|[^$]*\$[^$].*)$`)

	durationForm = pattern.New(
		`^([0-9]{1,6}(\.[0-9]{1,6})?h)?([0-9]{1,6}(\.[0-9]{1,6})?m)?([0-9]{1,6}(\.[0-9]{1,6})?s)?([0-9]{1,6}ms)?$`,
	)
	zero    = pattern.New(`^[^1-9]*$`)                    // a duration of nothing
	outside = pattern.New(`^/|^[A-Za-z]:|(^|/)\.\.(/|$)`) // a path that leaves its folder
)

// scalarTypes are the types of values that are text to a command.
var scalarTypes = []string{"string", "number", "boolean"}

// text is a string. YAML has other types for text such as true and 1: they must be quoted.
func text() kind[string] {
	return kind[string]{schema: schema{Type: "string"}, read: (*decoder).text}
}

// lineOfText is a string that is not empty.
func lineOfText(example string) kind[string] {
	return kind[string]{
		schema: schema{Type: "string", Pattern: `\S`},
		read: func(d *decoder, n ast.Node, what string, to *string) error {
			err := d.text(n, what, to)
			if err == nil && strings.TrimSpace(*to) == "" {
				return d.errorf(n, "write "+example, "%s is empty", what)
			}
			return err
		},
	}
}

// scalar is the text of a string, a number or a boolean, as it is written.
func scalar() kind[string] {
	return kind[string]{
		schema: schema{Type: scalarTypes},
		read: func(d *decoder, n ast.Node, what string, to *string) (err error) {
			*to, err = d.scalar(n, what)
			return err
		},
	}
}

// matching is text that a pattern matches.
func matching(form *pattern.Pattern, advice string) kind[string] {
	return kind[string]{
		schema: schema{Type: "string", Pattern: form.String()},
		read: func(d *decoder, n ast.Node, what string, to *string) error {
			if err := d.text(n, what, to); err != nil {
				return err
			}
			if !form.MatchString(*to) {
				return d.invalid(n, what, *to, advice)
			}
			return nil
		},
	}
}

func boolean() kind[bool] {
	return kind[bool]{schema: schema{Type: "boolean"}, read: func(d *decoder, n ast.Node, what string, to *bool) error {
		node, ok := d.resolve(n).(*ast.BoolNode)
		if !ok {
			return d.typeError(n, what, "true or false")
		}
		*to = node.Value
		return nil
	}}
}

// optionalBoolean is a boolean that may be unset.
func optionalBoolean() kind[*bool] {
	return kind[*bool]{schema: boolean().schema, read: func(d *decoder, n ast.Node, what string, to **bool) error {
		*to = new(bool)
		return boolean().read(d, n, what, *to)
	}}
}

func integer(least, most int) kind[int] {
	return kind[int]{
		schema: schema{Type: "integer", Minimum: number(least), Maximum: number(most)},
		read: func(d *decoder, n ast.Node, what string, to *int) error {
			value, err := d.number(n, what, "a whole number")
			if err != nil {
				return err
			}
			if value != math.Trunc(value) || value < float64(least) || value > float64(most) {
				return d.invalid(
					n,
					what,
					d.resolve(n).GetToken().Value,
					fmt.Sprintf("write a whole number from %d to %d", least, most),
				)
			}
			*to = int(value)
			return nil
		},
	}
}

func percent() kind[float64] {
	return kind[float64]{
		schema: schema{Type: "number", Minimum: number(0), Maximum: number(100)},
		read: func(d *decoder, n ast.Node, what string, to *float64) error {
			value, err := d.number(n, what, "a number from 0 to 100, without a percent sign")
			if err != nil {
				return err
			}
			if !(value >= 0 && value <= 100) {
				return d.invalid(
					n,
					what,
					d.resolve(n).GetToken().Value,
					"write a number from 0 to 100, without a percent sign",
				)
			}
			*to = value
			return nil
		},
	}
}

func number(n int) *float64 {
	f := float64(n)
	return &f
}

// oneOf is one of some words.
func oneOf[T ~string](words ...T) kind[T] {
	s, list := schema{}, make([]string, len(words))
	for i, w := range words {
		s.Enum, list[i] = append(s.Enum, string(w)), string(w)
	}
	return kind[T]{schema: s, read: func(d *decoder, n ast.Node, what string, to *T) error {
		value, err := d.scalar(n, what)
		if err != nil {
			return err
		}
		if !slices.Contains(list, value) {
			return d.invalid(n, what, value, "write "+enumeration(list))
		}
		*to = T(value)
		return nil
	}}
}

// enumeration is a list in words: "a, b or c".
func enumeration(list []string) string {
	if len(list) == 1 {
		return list[0]
	}
	return strings.Join(list[:len(list)-1], ", ") + " or " + list[len(list)-1]
}

func duration() kind[time.Duration] {
	s := schema{
		Type:     "string",
		Pattern:  durationForm.String(),
		Not:      &schema{Pattern: zero.String()},
		Examples: []any{"90s", "15m", "1h30m"},
	}
	return kind[time.Duration]{schema: s, read: func(d *decoder, n ast.Node, what string, to *time.Duration) error {
		const advice = "write a duration such as 90s, 15m or 1h30m"
		value, err := d.scalar(n, what)
		if err != nil {
			return err
		}
		if !durationForm.MatchString(value) || zero.MatchString(value) {
			return d.invalid(n, what, value, advice)
		}
		if *to, err = time.ParseDuration(value); err != nil {
			return d.invalid(n, what, value, advice)
		}
		return nil
	}}
}

// localPath is a path in the workspace, cleaned.
func localPath() kind[string] {
	s := schema{Type: "string", MinLength: 1, Not: &schema{Pattern: outside.String()}}
	return kind[string]{schema: s, read: func(d *decoder, n ast.Node, what string, to *string) error {
		var value string
		if err := d.text(n, what, &value); err != nil {
			return err
		}
		if value == "" || outside.MatchString(value) || !filepath.IsLocal(filepath.FromSlash(value)) {
			return d.invalid(n, what, value, "write a path inside the workspace, relative to it")
		}
		*to = path.Clean(value)
		return nil
	}}
}

func globKind() kind[string] {
	s := schema{Type: "string", MinLength: 1, Not: &schema{Pattern: outside.String()}}
	return kind[string]{schema: s, read: func(d *decoder, n ast.Node, what string, to *string) error {
		if err := d.text(n, what, to); err != nil {
			return err
		}
		if *to == "" || outside.MatchString(*to) || !doublestar.ValidatePattern(*to) {
			return d.invalid(n, what, *to, `write a pattern inside the workspace such as "**/junit-*.xml"`)
		}
		return nil
	}}
}

// variables are values by the names of variables.
func variables(value kind[string]) kind[map[string]string] {
	s := schema{
		Type:          "object",
		PropertyNames: &schema{AnyOf: []schema{{Pattern: variableName.String()}, {Const: "<<"}}},
	}
	values := value.schema
	s.AdditionalProperties = values
	s.Properties = properties{{"<<", schema{Description: mergeKey}}}
	return kind[map[string]string]{
		schema: s,
		read: func(d *decoder, n ast.Node, what string, to *map[string]string) error {
			*to = map[string]string{}
			return d.entries(n, what, func(name string, keyNode, node ast.Node) error {
				if !variableName.MatchString(name) {
					return d.invalid(
						keyNode,
						"name of a variable",
						name,
						"use letters, digits and underscores, and begin with no digit",
					)
				}
				var text string
				err := value.read(d, node, name, &text)
				(*to)[name] = text
				return err
			})
		},
	}
}

// secretReference is a reference to a secret. Errors never quote the value or its line: a secret may have been written
// there, and the file is in every checkout.
func secretReference() kind[string] {
	s := schema{Type: "string", Pattern: reference.Pattern}
	return kind[string]{schema: s, read: func(d *decoder, n ast.Node, what string, to *string) error {
		if err := d.text(n, what, to); err == nil {
			if _, ok := reference.Parse(*to, true); ok {
				return nil
			}
		}
		err := d.errorf(
			n,
			"write an ARN, secretsmanager:NAME, ssm:/NAME or file:PATH; a plain value belongs under environment",
			"secret %s is not a reference",
			what,
		)
		err.Source = ""
		return err
	}}
}

// lastDay is the first moment after a day of the calendar, in UTC.
func lastDay() kind[time.Time] {
	s := schema{Type: "string", Format: "date", Pattern: `^[0-9]{4}-[0-9]{2}-[0-9]{2}$`}
	return kind[time.Time]{schema: s, read: func(d *decoder, n ast.Node, what string, to *time.Time) error {
		value, err := d.scalar(n, what)
		if err != nil {
			return err
		}
		day, err := time.Parse(time.DateOnly, value)
		if err != nil {
			return d.invalid(n, what, value, "write a day of the calendar such as 2026-12-31")
		}
		*to = day.AddDate(0, 0, 1)
		return nil
	}}
}

// expression is a regular expression with one group.
func regexKind() kind[*regexp.Regexp] {
	return kind[*regexp.Regexp]{
		schema: schema{Type: "string"},
		read: func(d *decoder, n ast.Node, what string, to **regexp.Regexp) error {
			var value string
			if err := d.text(n, what, &value); err != nil {
				return err
			}
			compiled, err := regexp.Compile(value)
			if err != nil {
				return d.errorf(
					n,
					"write a regular expression of Go (RE2) with one group, such as '^([^ ]+) '",
					"invalid %s: %v",
					what,
					err,
				)
			}
			if groups := compiled.NumSubexp(); groups != 1 {
				return d.errorf(n, "put parentheses around the file's part, and only there: (?:…) is not a group",
					"%s has %d groups instead of one", what, groups)
			}
			*to = compiled
			return nil
		},
	}
}

// version is the number of the format.
func version() kind[string] {
	return kind[string]{
		schema: schema{Enum: []any{1, "1"}},
		read: func(d *decoder, n ast.Node, what string, to *string) (err error) {
			if *to, err = d.scalar(n, what); err != nil {
				return err
			}
			if value, err := strconv.ParseFloat(*to, 64); err != nil || value != 1 {
				return d.errorf(n, "write version: 1", "version must be 1")
			}
			return nil
		},
	}
}
