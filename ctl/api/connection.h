// One HTTP/1.1 connection, over a Unix or a TCP socket.
//
// Theory of operation: wait for a first byte, then read a whole request within kRequestTime, hand
// it to the handler, write the answer, begin again. Whatever is wrong with a request is answered in
// JSON before the connection ends: then what the peer still sends is read and thrown away for a
// moment, as closing at once would destroy the answer on its way (RFC 9112, 9.6).
//
// A connection keeps itself alive while something is under way. Thread: the loop's.
#pragma once

#include <chrono>
#include <functional>
#include <memory>

#include "ctl/api/message.h"
#include "ctl/api/name_book.h"

#include <boost/asio/generic/stream_protocol.hpp>

namespace fairlead::api {

inline constexpr std::chrono::seconds kRequestTime{10};  // for a request to arrive whole
inline constexpr std::chrono::seconds kIdleTime{30};     // between two requests
inline constexpr std::chrono::seconds kAnswerTime{30};   // for an answer to be taken
inline constexpr std::chrono::seconds kLingerTime{1};

using StreamSocket = boost::asio::generic::stream_protocol::socket;

struct ConnectionOptions {
    Caller caller;
    std::shared_ptr<NameBook> names;  // where the caller has one
    bool is_read_only = false;        // GET and HEAD only
};

// Serves requests on `socket` until it ends; `on_end` is called then, once.
void serve_connection(StreamSocket socket,
                      ConnectionOptions options,
                      std::shared_ptr<const Handler> handler,
                      std::function<void()> on_end);

}  // namespace fairlead::api
