throw new Error('this cannot be loaded')
