"""The worker: claims batches, dispatches, sends, records. It holds no rule of its own."""
