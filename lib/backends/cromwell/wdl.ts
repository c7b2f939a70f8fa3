import type { RuntimeAttributes } from './runtime.ts'
import { shellWord } from './words.ts'

export const CALL = 'ChRISJob.plugin_instance'
export const EXIT_CODE = 'ChRISJob.exit_code'
export const LOG_HEX = 'ChRISJob.log_hex'
/** Where the job's output goes, in the call's `execution` directory. */
export const LOG_FILE = 'gw.log'

/** What is to run, and with what. */
export interface WdlJob {
  /** Not empty. */
  argv: readonly string[]
  /** `KEY=value` each. */
  env: readonly string[]
  runtime: RuntimeAttributes
  /** Bytes of the log's end that come back as an output. */
  logBytes: number
}

/**
 * WDL 1.0 (openwdl/wdl, versions/1.0) of one call, in ASCII; nothing of the caller's is ever evaluated, by WDL or by a shell.
 * The job's exit code and the end of its log are outputs, since outputs exist only where the script itself ends with 0, and since Cromwell
 * drops 130, 137 and 143 as its own (`StandardAsyncExecutionActor`). One byte more than `logBytes` tells that there was more.
 * The comment is for `miniwdl check`: the attributes are the site's. Throws for a word with a NUL.
 */
export function wdlOf({ argv, env, runtime, logBytes }: WdlJob): string {
  // `env` is a program, so that no word is taken for a builtin of the shell; what looks like its options are ours no more.
  const operands = [...env, ...argv]
  const words = [...(operands[0]?.startsWith('-') === true ? ['--'] : []), ...operands]
  const attributes = Object.entries(runtime).map(([name, value]) => `${name}: '${value}'`)
  return `version 1.0
task plugin_instance {
    command <<<
        set -- 'env'
        ${words.map(shellWord).join('\n        ')}
        "$@" < /dev/null > ${LOG_FILE} 2>&1; r=$?
        printf 'h' > gw.hex
        tail -c ${logBytes + 1} ${LOG_FILE} | od -An -v -tx1 | tr -d ' \\n' >> gw.hex
        echo "$r" > gw.rc
        exit 0
    >>>
    meta { volatile: true }
    runtime {
        ${attributes.join(' ')} # !UnknownRuntimeKey
    }
    output {
        Int exit_code = read_int("gw.rc")
        String log_hex = read_string("gw.hex")
    }
}
workflow ChRISJob {
    call plugin_instance
    output {
        Int exit_code = plugin_instance.exit_code
        String log_hex = plugin_instance.log_hex
    }
}
`
}
