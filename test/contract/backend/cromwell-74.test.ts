import { inFrontOf } from './cromwell-modes.ts'

// What is other than in later versions: a create that is sent again makes another workflow, and its id is the server's.
inFrontOf('host', '74', { seesExecutions: true, atLeast: 15, parts: ['create and release', 'stop and remove', 'owners, find and list'] })
