module.exports = {
  testEnvironment: 'node',
  transform: { '\\.ts$': ['@swc/jest', { jsc: { target: 'es2023', parser: { syntax: 'typescript' } }, module: { type: 'commonjs' } }] },
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  collectCoverage: true,
  collectCoverageFrom: ['packages/*/src/**/*.ts', '!**/*.test.ts', '!**/main.ts'],
  coverageReporters: ['lcov', 'json-summary', 'text'],
};
