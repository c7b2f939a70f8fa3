import { inFrontOf } from './cromwell-modes.ts'

// What is other than on the server's own machine: how a job is run, and ended.
inFrontOf('slurm', 'modern', { seesExecutions: true, atLeast: 20, parts: ['how a job ends', 'words, environment and output', 'stop and remove'] })
