const fs = require('node:fs')
const path = require('node:path')

/** Variables of this machine that the functions see: settings, where engines are, what an engine's own programs need. */
const PASSED = new RegExp(
  `^(${[
    '(PMAN|AWS|CROMWELL|DOCKER|KUBERNETES|SLURM|OTEL|SECURITYCONTEXT)_.*',
    'CONTAINER_(ENV|USER|HOST)|STORAGE_TYPE|STOREBASE|NFS_SERVER|VOLUME_NAME|PFCON_SELECTOR|ENABLE_HOME_WORKAROUND|SHM_SIZE',
    'JOB_(LABELS|LOGS_TAIL|NAMESPACE)|IGNORE_LIMITS|REMOVE_JOBS|NODE_SELECTOR|IMAGE_PULL_SECRETS|TIMELIMIT_MINUTES',
    'enableTokenAuth|tokenPath|JOBS_TABLE|KUBECONFIG|NODE_EXTRA_CA_CERTS|(HTTPS?|NO)_PROXY|(https?|no)_proxy|PATH|HOME|TMPDIR|TZ',
  ].join('|')})$`,
)

/**
 * @typedef {string | { path?: string }} HttpApi
 * @typedef {object} Service
 * @property {Record<string, { events?: { httpApi?: HttpApi }[] }>} functions
 * @property {{ environment?: Record<string, unknown> }} provider
 * @property {{ esbuild: { outputWorkFolder?: string } }} custom
 */

/** @param {{ httpApi?: HttpApi }} event */
const isTwin = ({ httpApi }) => typeof httpApi === 'object' && (httpApi.path ?? '').endsWith('/{slash+}')

/** Makes `serverless offline` serve on this machine what is meant for AWS; other commands only end in time. */
class LocalPlugin {
  /** @param {{ service: Service, serviceDir: string }} serverless */
  constructor({ service, serviceDir }) {
    this.service = service
    this.hooks = {
      initialize: () => this.outliveNobody(),
      'before:offline:start:init': () => this.adapt(),
      'offline:start:init': () => this.bringRunner(),
      'after:offline:start:init': () => process.send?.('ready'),
      error: () => this.leave(),
    }
    this.serviceDir = serviceDir
    // Two servers of one checkout must not build into one folder.
    const build = process.env.PMAN_BUILD_FOLDER
    if (build) service.custom.esbuild.outputWorkFolder = path.relative(serviceDir, build)
  }

  /** Whoever started this process hears when it is ready; when they are gone, it goes too. */
  outliveNobody() {
    if (!process.channel) return
    process.on('disconnect', () => process.kill(process.pid, 'SIGINT'))
    process.channel.unref()
  }

  /** serverless-offline drops trailing slashes itself and stops at a route's twin; its workers see declared variables alone. */
  adapt() {
    const { functions, provider } = this.service
    for (const definition of Object.values(functions)) {
      definition.events = (definition.events ?? []).filter((event) => !isTwin(event))
    }
    const passed = Object.entries(process.env).filter(([name]) => PASSED.test(name))
    provider.environment = { ...provider.environment, ...Object.fromEntries(passed) }
  }

  /** The local engine starts its runner as a program: it lies next to the bundle of the driver, as it does to the driver's source. */
  bringRunner() {
    const { outputWorkFolder = '.esbuild' } = this.service.custom.esbuild
    const from = path.join(this.serviceDir, 'lib', 'backends', 'local')
    const to = path.join(this.serviceDir, outputWorkFolder, '.build')
    for (const file of fs.readdirSync(from)) if (file.endsWith('.mjs')) fs.copyFileSync(path.join(from, file), path.join(to, file))
  }

  /** After an error, ports that are open and esbuild would keep the process for ever; first the error is printed. */
  leave() {
    setTimeout(() => process.exit(1), 100)
  }
}

module.exports = LocalPlugin
