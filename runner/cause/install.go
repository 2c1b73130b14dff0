package cause

import "strings"

// InstallAdvice says how to get a program that was not found.
func InstallAdvice(program string) string {
	base := program[strings.LastIndexByte(program, '/')+1:]
	if program != base {
		return "check that " + program + " is in the checkout and in this image, and that its interpreter (#!) is"
	}
	for _, known := range []struct {
		names  string
		advice func(string) string
	}{
		{" pnpm pnpx yarn yarnpkg ", corepackAdvice},
		{" node npm npx corepack ", func(string) string {
			return "use an image that has node, such as FROM node:22-slim; check PATH if it is installed"
		}},
		{nodePrograms, func(name string) string {
			return name + " is a program of the project's dependencies: add it to devDependencies, install them first (setup: in " +
				"runner.yaml, or pnpm install --frozen-lockfile), and start it by a package script or pnpm exec " + name
		}},
		{" python python3 pip pip3 pytest poetry uv ruff mypy tox ", func(name string) string {
			return "install " + name + " in the image (FROM python:3-slim, pip install), or put its environment on PATH (.venv/bin)"
		}},
		{" docker podman ", func(string) string {
			return "a Fargate task has no container engine: build images elsewhere, or with a builder that needs none"
		}},
	} {
		if strings.Contains(known.names, " "+base+" ") {
			return known.advice(base)
		}
	}
	return "install " + base + " in the image of the task, or add its folder to PATH"
}

// corepackAdvice is for the package managers that come with node's corepack.
func corepackAdvice(name string) string {
	switch name {
	case "pnpx":
		name = "pnpm"
	case "yarnpkg":
		name = "yarn"
	}
	return "run corepack enable " + name + " in the image's Dockerfile (node has corepack), or npm install --global " + name +
		"; check PATH if it is installed"
}

// nodePrograms are programs that projects have as dependencies.
const nodePrograms = " tsc jest eslint prettier vite vitest webpack rollup esbuild tsx ts-node mocha next nuxt turbo nx lerna " +
	"carlin cdk playwright cypress c8 nyc tsup swc babel stylelint biome knip prisma rimraf cross-env concurrently " +
	"serverless sls parcel astro "
