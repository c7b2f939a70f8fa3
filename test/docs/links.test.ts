import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { anchors, blocks, codeSpans, links, PAGES, read, ROOT } from './pages.ts'

interface Package {
  scripts: Record<string, string>
}
const { scripts } = JSON.parse(read('package.json')) as Package

/** What npm does by itself. */
const NPM_OWN = ['ci']
const COMMAND = /\bnpm (?:run )?([a-z]+(?::[a-z]+)*)/g

/** What people are told to type. */
const commands = (page: string): string =>
  [...blocks(read(page), 'sh', ''), ...codeSpans(read(page))].join('\n')

test('the pages are there', () => {
  expect(PAGES).toEqual(expect.arrayContaining(['README.md', 'docs/api.md', 'docs/engines/local.md']))
})

describe.each(PAGES)('%s', (page) => {
  test('each link leads to a file, and to a heading in it', () => {
    const lost = links(page).filter(({ path, anchor }) => {
      if (!existsSync(join(ROOT, path))) return true
      return anchor !== undefined && !anchors(read(path)).includes(anchor)
    })
    expect(lost).toEqual([])
  })

  test('each command of npm is there', () => {
    const named = [...commands(page).matchAll(COMMAND)].map(([, name = '']) => name)
    expect(named.filter((name) => !NPM_OWN.includes(name) && !Object.hasOwn(scripts, name))).toEqual([])
  })

  test('each program of npx is there', () => {
    const named = [...commands(page).matchAll(/\bnpx ([a-z-]+)/g)].map(([, name = '']) => name)
    expect(named.filter((name) => !existsSync(join(ROOT, 'node_modules', '.bin', name)))).toEqual([])
  })

  test('each file that is named is there', () => {
    const paths = codeSpans(read(page)).filter((code) => /^(?:lib|functions|infra|test|docs|examples|\.ci)\/[\w./-]*$/.test(code))
    expect(paths.filter((path) => !existsSync(join(ROOT, path)))).toEqual([])
  })

  test('nothing of the machine that it was written on', () => {
    expect(read(page)).not.toMatch(/\/(?:home|work|root|Users)\//)
  })
})

test('the README leads to every page but the decisions', () => {
  const reached = new Set(['README.md'])
  for (const page of reached) for (const { path } of links(page)) if (path.endsWith('.md')) reached.add(path)
  expect(PAGES.filter((page) => !reached.has(page) && !page.startsWith('docs/adr/'))).toEqual([])
})

test('every engine has its page', () => {
  const engines = readdirSync(join(ROOT, 'lib', 'backends'), { withFileTypes: true }).filter((entry) => entry.isDirectory())
  expect(engines.length).toBeGreaterThan(0)
  expect(engines.filter(({ name }) => !PAGES.includes(`docs/engines/${name}.md`)).map(({ name }) => name)).toEqual([])
})
