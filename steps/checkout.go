package steps

import (
	"github.com/goccy/go-yaml/ast"

	"github.com/carlin-cicd/runner/steps/pattern"
)

// Checkout are the settings of checkout: for all steps, or for one. Nil fields are not set.
type Checkout struct {
	Depth       *int // commits of history; 0: all
	Tags        *bool
	Submodules  *SubmoduleChoice
	LFS         *bool
	Clean       *bool
	Filter      *string // of a partial clone, such as blob:none
	Credentials *CheckoutCredentials
}

// SubmoduleChoice says which submodules are checked out.
type SubmoduleChoice string

// The choices of submodules.
const (
	WithoutSubmodules   SubmoduleChoice = "false"
	WithSubmodules      SubmoduleChoice = "true"
	RecursiveSubmodules SubmoduleChoice = "recursive"
)

// CheckoutCredentials says whether the command's own git may use the credentials of the checkout.
type CheckoutCredentials string

// The choices of credentials.
const (
	WithoutCheckoutCredentials CheckoutCredentials = "none"
	StepCheckoutCredentials    CheckoutCredentials = "step" // while the step lasts
)

// Or returns the settings, with those of defaults where none is set.
func (c Checkout) Or(defaults Checkout) Checkout {
	return Checkout{
		Depth: or(
			c.Depth,
			defaults.Depth,
		),
		Tags:        or(c.Tags, defaults.Tags),
		Submodules:  or(c.Submodules, defaults.Submodules),
		LFS:         or(c.LFS, defaults.LFS),
		Clean:       or(c.Clean, defaults.Clean),
		Filter:      or(c.Filter, defaults.Filter),
		Credentials: or(c.Credentials, defaults.Credentials),
	}
}

func or[T any](a, b *T) *T {
	if a != nil {
		return a
	}
	return b
}

// cloneFilter are the filters of partial clones that leave out files or folders by their size or depth.
var cloneFilter = pattern.New(`^(blob:none|blob:limit=[0-9]{1,12}[kmg]?|tree:[0-9]{1,6})$`)

// checkoutObject are the keys of checkout.
func checkoutObject() object[Checkout] {
	return object[Checkout]{keys: []key[Checkout]{
		newKey(
			"depth",
			"How many commits of history there are; 0: all, of all branches.",
			optional(integer(0, 1_000_000)),
			func(c *Checkout) **int { return &c.Depth },
		).otherwise(
			1,
		).alias(
			"fetch-depth",
			"fetch_depth",
		),
		newKey("tags", "Whether all tags are fetched.", optional(boolean()),
			func(c *Checkout) **bool { return &c.Tags }).otherwise(false).alias("fetch-tags", "fetch_tags"),
		newKey(
			"submodules",
			"Whether submodules are checked out; recursive: those of submodules, too.",
			optional(submoduleKind()),
			func(c *Checkout) **SubmoduleChoice { return &c.Submodules },
		).otherwise(false),
		newKey("lfs", "Whether files in Git LFS are fetched; otherwise there are pointers.", optional(boolean()),
			func(c *Checkout) **bool { return &c.LFS }).otherwise(false),
		newKey(
			"clean",
			"Whether files that are neither in the commit nor ignored are removed; by default in a container.",
			optional(boolean()),
			func(c *Checkout) **bool { return &c.Clean },
		),
		newKey("filter", "Leaves out files of the history, as git fetch --filter does.",
			optional(matching(cloneFilter, "write blob:none, blob:limit=1m or tree:0")),
			func(c *Checkout) **string { return &c.Filter }),
		newKey(
			"credentials",
			"Whether the command's own git may use the credentials of the checkout, for that host: none, or while the step lasts.",
			optional(oneOf(WithoutCheckoutCredentials, StepCheckoutCredentials)),
			func(c *Checkout) **CheckoutCredentials { return &c.Credentials },
		).otherwise(WithoutCheckoutCredentials).alias("persist-credentials", "persist_credentials"),
	}}
}

// optional is a value that may be unset.
func optional[T any](k kind[T]) kind[*T] {
	return kind[*T]{schema: k.schema, read: func(d *decoder, n ast.Node, what string, to **T) error {
		*to = new(T)
		return k.read(d, n, what, *to)
	}}
}

// submoduleKind is true, false or recursive.
func submoduleKind() kind[SubmoduleChoice] {
	k := oneOf(WithoutSubmodules, WithSubmodules, RecursiveSubmodules)
	k.schema.Enum = []any{false, true, "false", "true", string(RecursiveSubmodules)}
	return k
}
