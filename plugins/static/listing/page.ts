import { pathOf } from '../target.ts'
import type { Entry } from './entries.ts'
import { COLUMNS, type Column, type Order } from './order.ts'
import { STYLE } from './style.ts'

interface Listing {
  /** Of the folder's path. */
  readonly segments: readonly string[]
  readonly entries: readonly Entry[]
  readonly order: Order
  /** There are more entries than are shown. */
  readonly isCut: boolean
}

/** A page that needs no script. Names of files are whatever somebody has uploaded: all of them are escaped. */
export function renderPage({ segments, entries, order, isCut }: Listing): string {
  const title = escapeHtml(`/${segments.join('/')}`)
  const rows = [...(segments.length > 0 ? [PARENT] : []), ...entries.map(row)].join('\n')
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
<style>${STYLE}</style>
<h1>${breadcrumbs(segments)}</h1>
<table>
<thead><tr>${COLUMNS.map((column) => heading(column, order)).join('')}</tr></thead>
<tbody>
${rows}
</tbody>
</table>
<p>${summary(entries)}${isCut ? '; there are more, which are not shown' : ''}</p>
</html>
`
}

const PARENT = '<tr><td><a href="../">../</a></td><td></td><td></td></tr>'

function breadcrumbs(segments: readonly string[]): string {
  const crumbs = segments.map((segment, index) => {
    const path = pathOf(segments.slice(0, index + 1), true)
    return `<a href="${escapeHtml(path)}">${escapeHtml(segment)}</a>`
  })
  return ['<a href="/">/</a>', crumbs.join(' / ')].join(' ')
}

const TITLES: Record<Column, string> = { name: 'Name', size: 'Size', date: 'Modified' }

function heading(column: Column, order: Order): string {
  const isCurrent = order.column === column
  const next = isCurrent && !order.isDescending ? 'desc' : 'asc'
  const direction = order.isDescending ? 'descending' : 'ascending'
  const sorted = isCurrent ? ` aria-sort="${direction}"` : ''
  return `<th${sorted}><a href="?sort=${column}&amp;order=${next}">${TITLES[column]}</a></th>`
}

function row({ name, kind, size, modified }: Entry): string {
  const isFolder = kind === 'directory'
  // "./" so that a colon in a name makes no scheme of it
  const href = escapeHtml(`.${pathOf([name], isFolder)}`)
  const shown = `<a href="${href}">${escapeHtml(name)}${isFolder ? '/' : ''}</a>`
  const date = modified.toISOString()
  const time = `<time datetime="${date}">${date.slice(0, 16).replace('T', ' ')}</time>`
  return `<tr><td>${shown}</td><td>${isFolder ? '' : formatSize(size)}</td><td>${time}</td></tr>`
}

const UNITS = ['B', 'KB', 'MB', 'GB', 'TB', 'PB']

function formatSize(size: number): string {
  const step = Math.min(UNITS.length - 1, Math.floor(Math.log2(Math.max(1, size)) / 10))
  const value = size / 1024 ** step
  return `${step > 0 && value < 10 ? value.toFixed(1) : Math.round(value)} ${UNITS[step]}`
}

function summary(entries: readonly Entry[]): string {
  const folders = entries.filter(({ kind }) => kind === 'directory').length
  return `${count(folders, 'folder')}, ${count(entries.length - folders, 'file')}`
}

const count = (number: number, what: string) => `${number} ${what}${number === 1 ? '' : 's'}`

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

const escapeHtml = (text: string) => text.replace(/[&<>"']/g, (char) => ENTITIES[char] as string)
