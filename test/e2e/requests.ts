/** Requests as pfcon's versions send them: numbers as ints from pfcon, as strings from older scripts. */
export const v6 = (jid: string, argv: string[], more: Record<string, unknown> = {}): Record<string, unknown> => ({
  jid,
  args: argv.slice(1),
  args_path_flags: [],
  auid: 'cube',
  number_of_workers: 1,
  cpu_limit: 1000,
  memory_limit: 200,
  gpu_limit: 0,
  image: 'fnndsc/pl-simpledsapp',
  entrypoint: argv.slice(0, 1),
  type: 'ds',
  env: [],
  input_dir: `${jid}/incoming`,
  output_dir: `${jid}/outgoing`,
  ...more,
})

/** pfcon 5.0.0: no directories, the job sees /share. */
export const v4 = (jid: string, argv: string[], more: Record<string, unknown> = {}): Record<string, unknown> => {
  const { input_dir, output_dir, ...rest } = v6(jid, argv)
  return { ...rest, ...more }
}

/** pfcon 4.0.2: command lines, numbers as strings. */
export const v3 = (jid: string, fields: { execshell: string; selfpath: string; selfexec: string; cmd_args: string }): Record<string, unknown> => ({
  jid,
  cmd_path_flags: '--dir',
  auid: 'cube',
  number_of_workers: '1',
  cpu_limit: '1000',
  memory_limit: '200',
  gpu_limit: '0',
  image: 'fnndsc/pl-simplefsapp',
  type: 'ds',
  ...fields,
})
