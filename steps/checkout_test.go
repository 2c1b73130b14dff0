package steps

import "testing"

func TestCheckoutOfAStepOverridesThatOfTheFileKeyByKey(t *testing.T) {
	file, err := Parse("runner.yaml", []byte(`version: 1
steps:
  release: { command: x, checkout: { depth: 0, tags: true, credentials: step } }
  lint: { command: x }
checkout: { depth: 20, lfs: true, submodules: recursive, filter: "blob:none", clean: false }
`))
	if err != nil {
		t.Fatal(err)
	}
	all := Collect(t.TempDir(), file)
	release, _ := all.Find("release")
	lint, _ := all.Find("lint")
	build, _ := all.Find("build")
	c := release.Checkout
	if *c.Depth != 0 || !*c.Tags || !*c.LFS || *c.Credentials != StepCheckoutCredentials ||
		*c.Submodules != RecursiveSubmodules {
		t.Errorf("release has %+v", c)
	}
	for _, c := range []Checkout{lint.Checkout, build.Checkout} {
		if *c.Depth != 20 || c.Tags != nil || *c.Clean || *c.Filter != "blob:none" || c.Credentials != nil {
			t.Errorf("another step has %+v", c)
		}
	}
}
