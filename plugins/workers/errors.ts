import createError from '@fastify/error'

/** No worker came up: the application is at fault. Carries the worker's `exitCode` (3 import, 4 target) and `traceback`. */
export const WorkerFailed = createError<[string]>('WSGI_CORE_WORKER_FAILED', '%s')
export const SpawnerFailed = createError<[string, string]>(
  'WSGI_CORE_SPAWNER_FAILED',
  "the workers' spawner '%s' cannot run: %s",
)
export const NoRuntimeDirectory = createError<[string, string]>(
  'WSGI_CORE_NO_RUNTIME_DIRECTORY',
  "cannot make a private folder in '%s': %s; make room there, or name another by TMPDIR or the setting wsgi.tmpUploadDir",
)
