/** The suite runs on what `serverless package` made, where something plays AWS Lambda and the HTTP API: `npm run test:engines -- lambda`. */
export const gateway = process.env.HTTP_API_URL
export const REASON = 'HTTP_API_URL names no gateway: npm run test:engines -- lambda'
