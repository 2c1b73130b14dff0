// Loaded before carlin: its older SDK does not know AWS_ENDPOINT_URL, its newer one does.
const endpoint = process.env.AWS_ENDPOINT_URL
if (endpoint && /carlin/.test(process.argv[1] ?? '')) {
  const { realpathSync } = require('node:fs')
  const { createRequire } = require('node:module')
  createRequire(realpathSync(process.argv[1]))('aws-sdk').config.update({ endpoint, s3ForcePathStyle: true })
}
