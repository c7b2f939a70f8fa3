/** Settings that every project shares: TypeScript by swc, native ES modules. */
const shared = {
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  transform: {
    '^.+\\.ts$': ['@swc/jest', { jsc: { parser: { syntax: 'typescript' }, target: 'es2022' }, module: { type: 'es6' } }],
  },
  setupFiles: ['<rootDir>/test/support/quiet.ts'],
}

export default {
  projects: [
    { ...shared, displayName: 'unit', testMatch: ['<rootDir>/test/**/*.test.ts'], testPathIgnorePatterns: ['/test/(chaos|e2e|package|imports|engines|lambda)'] },
    { ...shared, displayName: 'imports', testMatch: ['<rootDir>/test/imports.test.ts'] },
    { ...shared, displayName: 'chaos', testMatch: ['<rootDir>/test/chaos/**/*.test.ts'] },
    { ...shared, displayName: 'package', testMatch: ['<rootDir>/test/package/*.test.ts'] },
    { ...shared, displayName: 'lambda', testMatch: ['<rootDir>/test/lambda/*.test.ts'] },
    { ...shared, displayName: 'e2e', testMatch: ['<rootDir>/test/e2e/*.test.ts'] },
  ],
  testTimeout: 30_000,
  reporters: ['default', '<rootDir>/test/support/skips-reporter.mjs'],
  maxWorkers: 2,
}
