import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import ts from 'typescript'

const ROOT = join(import.meta.dirname, '..')

/** Rooms of the house, most particular first, and what each may import besides itself and packages. */
const ROOMS: readonly { room: string; may: readonly string[] }[] = [
  { room: 'functions/', may: ['lib/app.ts', 'lib/http/', 'lib/dialects/', 'lib/errors.ts', 'lib/version.ts', 'lib/jobs/cleanup.ts'] },
  { room: 'lib/app.ts', may: ['lib/'] },
  { room: 'lib/errors.ts', may: [] },
  { room: 'lib/version.ts', may: [] },
  { room: 'lib/log.ts', may: ['lib/log/'] },
  { room: 'lib/log/', may: ['lib/errors.ts', 'lib/log.ts'] },
  { room: 'lib/secrets.ts', may: ['lib/errors.ts', 'lib/backends/contract.ts'] },
  { room: 'lib/config.ts', may: ['lib/config/', 'lib/errors.ts', 'lib/backends/contract.ts', 'lib/backends/index.ts'] },
  { room: 'lib/config/', may: ['lib/errors.ts', 'lib/log.ts', 'lib/jobs/timing.ts', 'lib/backends/index.ts'] },
  { room: 'lib/http/', may: ['lib/errors.ts', 'lib/log.ts', 'lib/dialects/dialect.ts', 'lib/jobs/types.ts', 'lib/jobs/jid.ts'] },
  {
    room: 'lib/dialects/',
    may: ['lib/errors.ts', 'lib/jobs/types.ts', 'lib/jobs/reasons.ts', 'lib/jobs/jid.ts', 'lib/jobs/image.ts', 'lib/jobs/paths.ts'],
  },
  { room: 'lib/jobs/types.ts', may: [] },
  { room: 'lib/jobs/reasons.ts', may: ['lib/jobs/types.ts'] },
  { room: 'lib/jobs/', may: ['lib/errors.ts', 'lib/backends/contract.ts'] },
  { room: 'lib/backends/contract.ts', may: ['lib/jobs/types.ts', 'lib/jobs/reasons.ts'] },
  { room: 'lib/backends/index.ts', may: ['lib/backends/'] },
  {
    room: 'lib/backends/',
    may: ['lib/backends/contract.ts', 'lib/engines/', 'lib/errors.ts', 'lib/jobs/types.ts', 'lib/jobs/reasons.ts', 'lib/jobs/paths.ts', 'lib/jobs/log-tail.ts'],
  },
  { room: 'lib/engines/', may: ['lib/errors.ts'] },
]

const files = ['functions', 'lib'].flatMap((folder) =>
  readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.(ts|mjs)$/.test(name))
    .map((name) => `${folder}/${name}`),
)

function importsOf(file: string): string[] {
  const { importedFiles } = ts.preProcessFile(readFileSync(join(ROOT, file), 'utf8'), true, true)
  return importedFiles
    .map(({ fileName }) => fileName)
    .filter((name) => name.startsWith('.'))
    .map((name) => relative(ROOT, join(ROOT, dirname(file), name)))
}

const covers = (place: string, file: string): boolean => (place.endsWith('/') ? file.startsWith(place) : file === place)
/** Drivers share a room, since some are others with differences: Podman is Docker's, OpenShift is Kubernetes'. */
const roomOf = (file: string) => ROOMS.find(({ room }) => covers(room, file))

describe('imports go one way', () => {
  test('there is something to check, and every file is in a room', () => {
    expect(files.length).toBeGreaterThan(30)
    expect(files.filter((file) => roomOf(file) === undefined)).toEqual([])
  })

  test.each(files)('%s', (file) => {
    const room = roomOf(file)
    if (room === undefined) throw new Error(`${file} is in no room`)
    const strays = importsOf(file).filter((target) => !covers(room.room, target) && !room.may.some((place) => covers(place, target)))
    expect(strays).toEqual([])
  })

  test('nothing imports itself by a detour', () => {
    const seen = new Map<string, 'open' | 'done'>()
    const cycles: string[] = []
    const visit = (file: string, path: string[]): void => {
      if (seen.get(file) === 'open') cycles.push([...path.slice(path.indexOf(file)), file].join(' -> '))
      if (seen.has(file) || !files.includes(file)) return
      seen.set(file, 'open')
      for (const target of importsOf(file)) visit(target, [...path, file])
      seen.set(file, 'done')
    }
    for (const file of files) visit(file, [])
    expect(cycles).toEqual([])
  })
})
