-- Sends the lines of a file in turn, each a host and a bearer token; ends with one line of JSON.
-- Arguments: the file, and how many requests to send (0: until the time is up).

local requests, sent, limit = {}, 0, 0

function init(arguments)
   limit = tonumber(arguments[2])
   for line in io.lines(arguments[1]) do
      local host, token = line:match("^(%S+) (%S+)$")
      requests[#requests + 1] = wrk.format("GET", nil, { Host = host, Authorization = "Bearer " .. token })
   end
end

function request()
   sent = sent + 1
   if sent == limit then
      wrk.thread:stop()
   end
   return requests[(sent - 1) % #requests + 1]
end

function done(summary, latency)
   local failed = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout
   io.write(string.format('\n{"done": %d, "refused": %d, "failed": %d, "us": %d}\n',
      summary.requests, summary.errors.status, failed, summary.duration))
end
