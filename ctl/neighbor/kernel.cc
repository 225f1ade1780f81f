#include "ctl/neighbor/kernel.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include <linux/neighbour.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <sys/socket.h>
#include <sys/uio.h>

namespace fairlead::neighbor {

namespace {

struct SocketDeleter {
    void operator()(nl_sock* socket) const { nl_socket_free(socket); }
};
struct MessageDeleter {
    void operator()(nl_msg* message) const { nlmsg_free(message); }
};
using Socket = std::unique_ptr<nl_sock, SocketDeleter>;
using Message = std::unique_ptr<nl_msg, MessageDeleter>;
using OnMessage = std::function<void(nlmsghdr*)>;

// A full routing table that is loaded anew, or all neighbors of a cut, come as one rush.
constexpr int kNotificationBytes = 8 << 20;
// One turn of the loop reads no more, so that a rush holds up nobody else.
constexpr int kDatagramsATurn = 256;

// The address as netlink carries it: 4 or 16 bytes.
struct WireAddress {
    explicit WireAddress(const IpAddress& address) {
        if (address.is_v4()) {
            family = AF_INET;
            length = 4;
            const std::uint32_t raw = address.v4().raw();
            std::memcpy(bytes.data(), &raw, sizeof raw);
        } else {
            family = AF_INET6;
            length = 16;
            bytes = address.bytes();
        }
    }

    std::uint8_t family = 0;
    int length = 0;
    std::array<std::uint8_t, 16> bytes{};
};

// Called by libnl for each message of an answer.
int on_valid(nl_msg* message, void* argument) {
    (*static_cast<OnMessage*>(argument))(nlmsg_hdr(message));
    return NL_OK;
}

// A request with its fixed part; empty for want of memory.
template <typename Header>
[[nodiscard]] Message request(int type, int flags, const Header& header) {
    Message message(nlmsg_alloc_simple(type, flags));
    if (message) {
        Header copy = header;
        if (nlmsg_append(message.get(), &copy, sizeof copy, NLMSG_ALIGNTO) != 0) {
            message.reset();
        }
    }
    return message;
}

[[nodiscard]] bool put(const Message& message, int attribute, const WireAddress& address) {
    return message && nla_put(message.get(), attribute, address.length, address.bytes.data()) == 0;
}

[[nodiscard]] Result<Socket> listener() {
    Socket socket(nl_socket_alloc());
    if (!socket) {
        return fail("no memory for netlink sockets");
    }
    nl_socket_disable_seq_check(socket.get());
    int error = nl_connect(socket.get(), NETLINK_ROUTE);
    if (error == 0) {
        error = nl_socket_add_memberships(socket.get(),
                                          RTNLGRP_LINK,
                                          RTNLGRP_NEIGH,
                                          RTNLGRP_IPV4_IFADDR,
                                          RTNLGRP_IPV6_IFADDR,
                                          RTNLGRP_IPV4_ROUTE,
                                          RTNLGRP_IPV6_ROUTE,
                                          RTNLGRP_IPV4_RULE,
                                          RTNLGRP_IPV6_RULE,
                                          RTNLGRP_NEXTHOP,
                                          0);
    }
    if (error != 0) {
        return fail(std::string("cannot listen to the kernel's routes and neighbors: ") +
                    nl_geterror(error));
    }
    const int bytes = kNotificationBytes;
    const int descriptor = nl_socket_get_fd(socket.get());
    // Beyond net.core.rmem_max with CAP_NET_ADMIN; without it as much as anybody gets.
    if (::setsockopt(descriptor, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) != 0) {
        (void)::setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    }
    return socket;
}

// What comes for a request; an error may come alone for each.
enum class Answer : std::uint8_t {
    kAcknowledged,  // an acknowledgement
    kOne,           // a message, and then that
    kMany           // messages, with an end of their own
};

}  // namespace

class Kernel::Sockets {
  public:
    // Sends a request and hands on what comes for it. libnl's error, 0 or more where there is none.
    int ask(const Message& message, OnMessage on_message, Answer answer) {
        if (!message) {
            return -NLE_NOMEM;
        }
        if (!query && !connect()) {
            return -NLE_NOMEM;
        }
        nl_socket_modify_cb(query.get(), NL_CB_VALID, NL_CB_CUSTOM, on_valid, &on_message);
        int error = nl_send_auto(query.get(), message.get());
        if (error >= 0) {
            error = answer == Answer::kAcknowledged ? 0 : nl_recvmsgs_default(query.get());
        }
        if (error >= 0 && answer != Answer::kMany) {
            error = nl_wait_for_ack(query.get());
        }
        nl_socket_modify_cb(query.get(), NL_CB_VALID, NL_CB_DEFAULT, nullptr, nullptr);
        if (error == -NLE_SEQ_MISMATCH || error == -NLE_NOMEM || error == -NLE_MSG_TRUNC ||
            error == -NLE_DUMP_INTR) {
            query.reset();  // the rest of an answer may still be there
        }
        return error;
    }

    bool connect() {
        query.reset(nl_socket_alloc());
        if (query && nl_connect(query.get(), NETLINK_ROUTE) != 0) {
            query.reset();
        }
        return query != nullptr;
    }

    Socket query;
    Socket notification;
    std::array<char, 65'536> buffer{};
};

Kernel::Kernel(std::unique_ptr<Sockets> sockets) : sockets_(std::move(sockets)) {}
Kernel::~Kernel() = default;

Result<std::unique_ptr<Kernel>> Kernel::open() {
    auto sockets = std::make_unique<Sockets>();
    Result<Socket> notification = listener();
    if (!notification) {
        return Unexpected{notification.error()};
    }
    sockets->notification = std::move(notification).value();
    if (!sockets->connect()) {
        return fail("cannot ask the kernel for its routes and neighbors: no netlink socket");
    }
    return std::unique_ptr<Kernel>(new Kernel(std::move(sockets)));
}

int Kernel::notification_fd() const {
    return nl_socket_get_fd(sockets_->notification.get());
}

bool Kernel::read_events(const OnEvent& on_event) {
    bool is_whole = true;
    std::array<char, 65'536>& buffer = sockets_->buffer;
    for (int i = 0; i < kDatagramsATurn; ++i) {
        sockaddr_nl from{};
        iovec place{buffer.data(), buffer.size()};
        msghdr header{};
        header.msg_name = &from;
        header.msg_namelen = sizeof from;
        header.msg_iov = &place;
        header.msg_iovlen = 1;
        const ssize_t got = ::recvmsg(notification_fd(), &header, MSG_DONTWAIT);
        if (got < 0 && errno == ENOBUFS) {
            is_whole = false;
            continue;
        }
        if (got < 0) {
            break;
        }
        is_whole = is_whole && (header.msg_flags & MSG_TRUNC) == 0;
        if (from.nl_pid != 0) {
            continue;  // not the kernel's
        }
        const Clock::time_point now = Clock::now();
        auto* message = static_cast<nlmsghdr*>(static_cast<void*>(buffer.data()));
        int left = static_cast<int>(got);
        for (; nlmsg_ok(message, left) != 0; message = nlmsg_next(message, &left)) {
            if (const std::optional<Event> event = event_of(message, now)) {
                on_event(*event);
            }
        }
    }
    return is_whole;
}

bool Kernel::dump(int type, int family, const OnEvent& on_event) {
    rtgenmsg header{};
    header.rtgen_family = static_cast<unsigned char>(family);
    const Clock::time_point now = Clock::now();
    const auto on_message = [&](nlmsghdr* message) {
        if (const std::optional<Event> event = event_of(message, now)) {
            on_event(*event);
        }
    };
    return sockets_->ask(request(type, NLM_F_DUMP, header), on_message, Answer::kMany) >= 0;
}

bool Kernel::read_interfaces(const OnEvent& on_event) {
    return dump(RTM_GETLINK, AF_UNSPEC, on_event) && dump(RTM_GETADDR, AF_UNSPEC, on_event);
}

bool Kernel::read_neighbors(const OnEvent& on_event) {
    return dump(RTM_GETNEIGH, AF_INET, on_event) && dump(RTM_GETNEIGH, AF_INET6, on_event);
}

std::optional<Route> Kernel::ask_route(const IpAddress& destination, unsigned flags) {
    ++route_queries_;
    const WireAddress wire(destination);
    rtmsg header{};
    header.rtm_family = wire.family;
    header.rtm_dst_len = static_cast<unsigned char>(wire.length * 8);
    header.rtm_flags = flags;
    const Message message = request(RTM_GETROUTE, NLM_F_REQUEST, header);
    std::optional<Route> found;
    if (put(message, RTA_DST, wire)) {
        const auto on_message = [&](nlmsghdr* answer) {
            found = route_of(answer);
        };
        (void)sockets_->ask(message, on_message, Answer::kOne);
    }
    return found;
}

std::optional<Route> Kernel::route(const IpAddress& destination) {
    return ask_route(destination, 0);
}

std::optional<Route> Kernel::route_as_set(const IpAddress& destination) {
    return ask_route(destination, RTM_F_FIB_MATCH);
}

std::optional<NeighborEntry> Kernel::neighbor(const NextHop& hop) {
    ++neighbor_queries_;
    const WireAddress wire(hop.address);
    ndmsg header{};
    header.ndm_family = wire.family;
    header.ndm_ifindex = hop.interface_index;
    const Message message = request(RTM_GETNEIGH, NLM_F_REQUEST, header);
    std::optional<NeighborEntry> found;
    if (put(message, NDA_DST, wire)) {
        const Clock::time_point now = Clock::now();
        const auto on_message = [&](nlmsghdr* answer) {
            const std::optional<Event> event = event_of(answer, now);
            if (const auto* told = event ? std::get_if<NeighborChanged>(&*event) : nullptr) {
                found = told->entry;
            }
        };
        (void)sockets_->ask(message, on_message, Answer::kOne);
    }
    return found;
}

namespace {

struct NeighborRequest {
    int type = RTM_NEWNEIGH;
    int flags = NLM_F_REPLACE;
    std::uint16_t state = NUD_NONE;
    bool is_managed = false;
};

[[nodiscard]] Message neighbor_request(const NextHop& hop, const NeighborRequest& what) {
    const WireAddress wire(hop.address);
    ndmsg header{};
    header.ndm_family = wire.family;
    header.ndm_ifindex = hop.interface_index;
    header.ndm_state = what.state;
    header.ndm_flags = what.is_managed ? NTF_USE : 0;  // keeps what is known of it
    Message message = request(what.type, NLM_F_REQUEST | what.flags, header);
    if (!put(message, NDA_DST, wire) ||
        (what.is_managed && (nla_put_u32(message.get(), NDA_FLAGS_EXT, NTF_EXT_MANAGED) != 0 ||
                             nla_put_u8(message.get(), NDA_PROTOCOL, kNeighborProtocol) != 0))) {
        message.reset();
    }
    return message;
}

void ignore(nlmsghdr* /*message*/) {}

}  // namespace

Status Kernel::solicit(const NextHop& hop) {
    NeighborRequest what;
    what.flags = NLM_F_CREATE | NLM_F_REPLACE;
    what.is_managed = true;
    const int error = sockets_->ask(neighbor_request(hop, what), ignore, Answer::kAcknowledged);
    return error >= 0 ? Status{}
                      : fail(std::string("the kernel does not look for the neighbor: ") +
                             nl_geterror(error));
}

Status Kernel::verify(const NextHop& hop) {
    // The kernel's own way back to a neighbor that it has not heard of for long: three questions to
    // the address that it knows, then the entry has failed. Where it knows none it refuses, and
    // solicit() asks everybody. A request that sets a state takes NTF_EXT_MANAGED away.
    NeighborRequest what;
    what.state = NUD_PROBE;
    (void)sockets_->ask(neighbor_request(hop, what), ignore, Answer::kAcknowledged);
    return solicit(hop);
}

void Kernel::release(const NextHop& hop, const NeighborEntry& entry) {
    NeighborRequest what;
    what.state = NUD_STALE;
    if (!entry.mac) {
        what.type = RTM_DELNEIGH;
        what.flags = 0;
    }
    (void)sockets_->ask(neighbor_request(hop, what), ignore, Answer::kAcknowledged);
}

}  // namespace fairlead::neighbor
