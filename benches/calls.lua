-- Sends a call over and over, or asks for the paths of a file once each, and tells how long that took.
-- `wrk -s calls.lua URL -- post PATH BODY_FILE BEARER` or `wrk -s calls.lua URL -- get PATHS_FILE`
local requests, next_one, again = {}, 0, true

function init(arguments)
    if arguments[1] == "post" then
        local body = io.open(arguments[3]):read("*a")
        local fields = { ["Content-Type"] = "application/json", ["Authorization"] = "Bearer " .. arguments[4] }
        requests = { wrk.format("POST", arguments[2], fields, body) }
    else
        again = false
        for path in io.lines(arguments[2]) do
            requests[#requests + 1] = wrk.format("GET", path)
        end
    end
end

function request()
    next_one = next_one + 1
    if next_one > #requests then
        if not again then
            wrk.thread:stop()
        end
        next_one = 1
    end
    return requests[next_one]
end

function done(summary, latency)
    local errors = summary.errors
    io.write(string.format('\n{"requests": %d, "seconds": %.3f, "failed": %d, "broken": %d, "p50_ms": %.3f, "p99_ms": %.3f}\n',
        summary.requests, summary.duration / 1e6, errors.status, errors.connect + errors.read + errors.write + errors.timeout,
        latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
