// The SDK warns about the Node.js version in every test file; the pins are told in ARCHITECTURE.md.
process.env.AWS_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = 'true'
process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = 'true'
