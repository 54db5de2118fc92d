// Configurations of nginx and haproxy.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const FIXTURES = fileURLToPath(new URL('fixtures', import.meta.url))

export const fixturePath = (name: string) => join(FIXTURES, name)

export interface NginxPorts {
  readonly http: number
  readonly https: number
}

/** The file that users of nginx and gunicorn have, with other addresses and folders, and TLS beside it. */
export function seedServer({ http, https }: NginxPorts, upstream: string, folder: string): string {
  return readFileSync(fixturePath('seed-nginx.conf'), 'utf8')
    .replace('server 127.0.0.1:8000', `server ${upstream}`)
    .replace(
      'listen 80;',
      `listen 127.0.0.1:${http}; listen 127.0.0.1:${https} ssl; root ${folder};
    ssl_certificate ${fixturePath('cert.pem')}; ssl_certificate_key ${fixturePath('key.pem')};`,
    )
    .replaceAll('/srv/app/', `${folder}/`)
}

/** nginx's own uwsgi_params. */
export const uwsgiServer = ({ http, https }: NginxPorts, upstream: string) => `
server {
    listen 127.0.0.1:${http}; listen 127.0.0.1:${https} ssl;
    ssl_certificate ${fixturePath('cert.pem')}; ssl_certificate_key ${fixturePath('key.pem')};
    location / {
        include /etc/nginx/uwsgi_params;
        uwsgi_pass ${upstream};
    }
}`

/** A whole configuration for one process that writes into the folder alone. */
export function nginxConfig(folder: string, server: string): string {
  const temporary = ['client_body', 'proxy', 'uwsgi', 'fastcgi', 'scgi']
    .map((kind) => `${kind}_temp_path ${folder}/${kind};`)
    .join(' ')
  const user = process.getuid?.() === 0 ? 'user root;' : ''
  return `${user} daemon off; master_process off; worker_processes 1; pid ${folder}/nginx.pid;
error_log stderr warn;
events { worker_connections 64; }
http {
    access_log off; ${temporary}
    ${server}
}
`
}

/** What docs/behind-a-proxy.md has for mode http. */
const HAPROXY_FIELDS = `option forwardfor
    http-request set-header X-Forwarded-Proto https if { ssl_fc }
    http-request set-header X-Forwarded-Proto http unless { ssl_fc }`

export const haproxyConfig = (port: number, upstream: string, option: string, isHttp: boolean) => `
defaults
    mode ${isHttp ? 'http' : 'tcp'}
    timeout connect 5s
    timeout client 10s
    timeout server 10s
frontend clients
    bind 127.0.0.1:${port}
    ${isHttp ? HAPROXY_FIELDS : ''}
    default_backend servers
backend servers
    server one ${upstream} ${option}
`
