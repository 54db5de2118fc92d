import createError from '@fastify/error'

export const BadLocation = createError<[string, string]>(
  'WSGI_CORE_STATIC_BAD_LOCATION',
  "location '%s' of static files is not valid: %s",
)
export const NoFolder = createError<[string, string]>(
  'WSGI_CORE_STATIC_NO_FOLDER',
  "location '%s' of static files: there is no file or folder '%s'; create it, or correct the option",
)
