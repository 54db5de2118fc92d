import createError from '@fastify/error'

export const NoApplication = createError<[]>(
  'WSGI_CORE_NO_APPLICATION',
  "no application given; name one as MODULE:NAME, for example 'wsgi-core hello:app'",
)
export const NoPython = createError<[string]>(
  'WSGI_CORE_NO_PYTHON',
  "no Python interpreter at '%s'; install Python 3.9 or newer, or name one by --python",
)
export const NoTypeScript = createError<[string]>(
  'WSGI_CORE_NO_TYPESCRIPT',
  "Node %s does not run TypeScript; add tsx by 'npm install tsx', or compile the application",
)
