import {
  CODE,
  DEFAULT_WINDOW,
  LARGEST_FRAME_SIZE,
  LARGEST_WINDOW,
  LEAST_FRAME_SIZE,
  SETTING,
} from './protocol.ts'

/** What the client has said of itself, as far as it matters to what is sent. */
export class PeerSettings {
  initialWindow = DEFAULT_WINDOW
  maxFrame = LEAST_FRAME_SIZE

  /** Takes a payload of type SETTINGS. @returns an error code (RFC 9113 §6.5.2). */
  read(bytes: Buffer, start: number, end: number): number {
    for (let at = start; at < end; at += 6) {
      const code = this.#take(bytes.readUInt16BE(at), bytes.readUInt32BE(at + 2))
      if (code !== CODE.noError) return code
    }
    return CODE.noError
  }

  #take(id: number, value: number): number {
    switch (id) {
      case SETTING.enablePush:
        return value > 1 ? CODE.protocol : CODE.noError
      case SETTING.initialWindowSize:
        if (value > LARGEST_WINDOW) return CODE.flowControl
        this.initialWindow = value
        break
      case SETTING.maxFrameSize:
        if (value < LEAST_FRAME_SIZE || value > LARGEST_FRAME_SIZE) return CODE.protocol
        this.maxFrame = value
    }
    return CODE.noError
  }
}
