import { STATUS_CODES } from 'node:http'

const pages = new Map<number, string>()

/** The plain page a client sees for an error; the log has the rest. HTML, ASCII, no request data in it. */
export function errorPage(status: number): string {
  let page = pages.get(status)
  if (page === undefined) {
    const title = `${status} ${STATUS_CODES[status] ?? 'Error'}`
    page = `<!doctype html>\n<html lang="en">\n<title>${title}</title>\n<h1>${title}</h1>\n</html>\n`
    pages.set(status, page)
  }
  return page
}
