-- Asks for the paths of a file, one per line, in their order, over and over. `wrk -s urls.lua URL -- FILE`
local requests, next_one = {}, 0

function init(arguments)
    for path in io.lines(arguments[1]) do
        requests[#requests + 1] = wrk.format("GET", path)
    end
end

function request()
    next_one = next_one % #requests + 1
    return requests[next_one]
end

function done(summary)
    local errors = summary.errors
    local n_errors = errors.connect + errors.read + errors.write + errors.status + errors.timeout
    io.write(string.format('\n{"requests": %d, "bytes": %d, "seconds": %.3f, "errors": %d}\n',
        summary.requests, summary.bytes, summary.duration / 1e6, n_errors))
end
