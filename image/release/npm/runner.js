#!/usr/bin/env node
// Finds the binary for this machine among the optional dependencies, and becomes it.
'use strict'

const { accessSync, chmodSync, constants } = require('node:fs')
const { spawn } = require('node:child_process')

const name = `@carlin-cicd/runner-${process.platform}-${process.arch}`

function find() {
  let binary
  try {
    binary = require.resolve(`${name}/bin/runner`)
  } catch {
    console.error(
      `runner: the package ${name} is not installed. There are binaries for Linux and macOS on x64 and arm64; ` +
        'on these, install again without --no-optional or --omit=optional.',
    )
    process.exit(125)
  }
  try {
    accessSync(binary, constants.X_OK)
  } catch {
    chmodSync(binary, 0o755) // an unpacker that loses modes
  }
  return binary
}

function run(binary, args) {
  // Node.js 22.15 and later: no process of ours is left between the caller and the runner.
  if (process.execve) process.execve(binary, [binary, ...args], process.env)

  // Before there is a child, so that no signal finds us without a handler and leaves the runner behind.
  let child
  // A terminal sends its signals to both of us. A second one would have the runner kill at once, so these are not passed on.
  const terminal = process.stdin.isTTY ? ['SIGINT', 'SIGQUIT'] : []
  for (const signal of ['SIGINT', 'SIGQUIT', 'SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGUSR2']) {
    process.on(signal, () => terminal.includes(signal) || child.kill(signal))
  }
  child = spawn(binary, args, { stdio: 'inherit' })
  child.on('error', (error) => {
    console.error(`runner: ${binary} cannot be started: ${error.message}`)
    process.exit(126)
  })
  child.on('exit', (code, signal) => {
    if (!signal) process.exit(code)
    process.removeAllListeners(signal)
    process.kill(process.pid, signal)
  })
}

run(find(), process.argv.slice(2))
