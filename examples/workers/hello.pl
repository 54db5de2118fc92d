#!/usr/bin/env perl
# A worker in another language: the core of docs/worker-protocol.md in one file, with an application shaped like PSGI's.
# It answers what fits into one frame; streams, large bodies and several fronts are left out.
use strict;
use warnings;
use Fcntl qw(O_RDONLY O_WRONLY O_RDWR O_NONBLOCK F_GETFL F_SETFL);
use JSON::PP ();
use POSIX qw(mkfifo WNOHANG _exit);
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);

use constant {
    VERSION => 1, SLOT_SIZE => 4096, SLOT_HEAD => 40, ENTRY => 64, IN_USE => 0x80000000,
    STOP => 1, MARK_SLOT => 3, RESPONSE => 1, MARK => 9, FAILED => 1,
    BOOTING => 1, SERVING => 2, LEAVING => 3,
};

# The application: an environ in, [status, headers, body] out.
my %routes = (
    '/hello'   => sub { 'hello' },
    '/environ' => sub {
        my ($env) = @_;
        join ' ', @$env{qw(REQUEST_METHOD PATH_INFO QUERY_STRING wsgi.url_scheme HTTP_X_TEST SERVER_SOFTWARE)};
    },
    '/echo'  => sub { $_[0]{'psgi.body'} },
    '/sleep' => sub { select undef, undef, undef, 0.3; 'slept' },
);

sub app {
    my ($env) = @_;
    my $route = $routes{ $env->{PATH_INFO} } or die "no route for $env->{PATH_INFO}\n";
    return [ '200 OK', [ 'Content-Type' => 'text/plain' ], $route->($env) ];
}

# Events: one JSON object a line, each by one write.
open my $control, '+<&=', 3 or die "descriptor 3 is no control socket: $!";
my $json = JSON::PP->new->ascii->canonical;

sub emit {
    my ($event, %fields) = @_;
    syswrite $control, $json->encode({ event => $event, %fields }) . "\n";
}

# The spawner: forks workers on command, reaps them, tells of their ends.
my ($rest, %workers) = ('');
my $stopping = 0;

sub next_lines {
    my $count = sysread $control, $rest, 65_536, length $rest;
    return unless $count;    # the front is gone
    my @lines = split /\n/, $rest, -1;
    $rest = pop @lines;
    return \@lines;
}

sub make_fifos {
    my ($config, @names) = @_;
    mkfifo("$config->{directory}/$_", 0600) for @names;    # one before us may have made them
}

sub spawn {
    my ($config, $worker) = @_;
    pipe my $gate_in, my $gate_out or die "pipe: $!";
    my $pid = fork;
    if (!defined $pid) {
        return emit('failed', worker => $worker, pid => 0, exit => 1, reason => "cannot fork: $!", traceback => '');
    }
    if ($pid == 0) {
        close $gate_out;
        sysread($gate_in, my $opened, 1) or _exit(1);    # its spawner died before it told of us
        %workers = ();
        eval { serve($config, $worker); 1 } or do {
            emit('log', level => 'error', message => 'worker failed', traceback => "$@", pid => $$);
            _exit(1);
        };
        _exit(0);
    }
    $workers{$pid} = $worker;
    emit('spawned', worker => $worker, pid => $pid);
    syswrite $gate_out, '1';
}

sub reap {
    while ((my $pid = waitpid -1, WNOHANG) > 0) {
        my $worker = delete $workers{$pid};
        my ($signal, $code) = ($? & 127, $? >> 8);
        emit(
            'exited', worker => $worker, pid => $pid, code => $signal ? undef : $code,
            signal => $signal || undef, traceback => '',
        );
    }
}

sub obey {
    my ($config, $order) = @_;
    my $command = $order->{command};
    if    ($command eq 'spawn') { spawn($config, $order->{worker}) unless $stopping }
    elsif ($command eq 'kill')  { kill $order->{signal}, $order->{pid} if exists $workers{ $order->{pid} } }
    elsif ($command eq 'front') { make_fifos($config, "answers-$order->{front}"); emit('front', front => $order->{front}) }
    elsif ($command eq 'stop')  { $stopping = 1 }
}

sub supervise {
    my ($config) = @_;
    my ($gone, $deadline);
    until ($stopping && !%workers) {
        my $readable = '';
        vec($readable, fileno $control, 1) = 1 unless $gone;
        if (select($readable, undef, undef, 0.05) > 0) {
            my $lines = next_lines();
            if ($lines) { obey($config, $json->decode($_)) for @$lines }
            else { $gone = $stopping = 1; $deadline = time + $config->{graceful_timeout}; kill TERM => keys %workers }
        }
        reap();
        kill KILL => keys %workers if $deadline && time > $deadline;
    }
    if ($gone) { unlink glob "$config->{directory}/*"; rmdir $config->{directory} }
}

# A worker: reads slots, answers in frames, keeps its scoreboard entry.
sub open_blocking {
    my ($path, $mode) = @_;
    my $file;
    until (sysopen $file, $path, $mode | O_NONBLOCK) { die "$path: $!" unless $!{ENXIO}; select undef, undef, undef, 0.02 }
    fcntl $file, F_SETFL, fcntl($file, F_GETFL, 0) & ~O_NONBLOCK;
    return $file;
}

sub read_body {
    my ($kind, $rest, $size) = @_;
    return substr $rest, 0, $size if $kind == 1;
    return '' if $kind == 0;
    die "bodies that do not fit into a slot are left out here\n";
}

sub serve {
    my ($config, $worker) = @_;
    my $directory = $config->{directory};
    my ($leaving, $served) = (0, 0);
    sysopen my $board, "$directory/scoreboard", O_RDWR or die "scoreboard: $!";
    my $note = sub {
        my ($field, @values) = @_;
        sysseek $board, $worker * ENTRY + $field * 8, 0;
        syswrite $board, pack 'Q<*', @values;
    };
    my $leave = sub {
        return if $leaving++;
        $note->(1, LEAVING);
        emit('leaving', worker => $worker, pid => $$, reason => $_[0]);
    };
    local $SIG{TERM} = sub { $leave->('signal') };
    $note->(0, $$, BOOTING, 0, 0, 0);
    my $answers = open_blocking("$directory/answers-0", O_WRONLY);
    my $queue = open_blocking("$directory/queue", O_RDONLY);
    $note->(1, SERVING);
    emit('ready', worker => $worker, pid => $$);
    until ($leaving) {
        my $length = sysread $queue, my $slot, SLOT_SIZE;
        next unless defined $length;    # a signal
        last unless $length;            # the front is gone
        my ($kind, $flags, $body, undef, $request, $size, undef, $body_size) = unpack 'CCCCVVVQ<', $slot;
        if ($kind == STOP) { $leave->('stop') }
        elsif ($kind == MARK_SLOT) { syswrite $answers, pack 'VVCCvV', 0, $request, MARK, 0, $worker, 0 }
        next if $kind;
        $note->(3, int(clock_gettime(CLOCK_MONOTONIC) * 1e9));    # before the request: docs say why
        $note->(2, IN_USE * 2**32 + $request);
        my %env = (%{ $config->{environ} }, split /\0/, substr($slot, SLOT_HEAD, $size), -1);
        my $frame = eval {
            die "large environs are left out here\n" if $flags;
            $env{'psgi.body'} = read_body($body, substr($slot, SLOT_HEAD + $size), $body_size);
            frame($worker, $request, \%env, app(\%env));
        };
        if (!$frame) {
            my ($method, $url) = @env{qw(REQUEST_METHOD RAW_URI)};
            emit('log', level => 'error', message => "Error handling request $url", traceback => "$@",
                request => $request, method => $method, url => $url, pid => $$);
            my $head = '500 Internal Server Error';
            $frame = pack('VVCCvV', length $head, $request, RESPONSE, FAILED, $worker, length $head) . $head;
        }
        syswrite $answers, $frame;
        $note->(4, ++$served);
        $note->(2, 0);
    }
}

sub frame {
    my ($worker, $request, $env, $answer) = @_;
    my ($status, $headers, $body) = @$answer;
    my $head = join "\0", $status, @$headers, 'Content-Length', length $body;
    $body = '' if $env->{REQUEST_METHOD} eq 'HEAD';
    my $frame = pack('VVCCvV', length($head . $body), $request, RESPONSE, 0, $worker, length $head) . $head . $body;
    die "an answer of more than 4,096 bytes needs the socket, which is left out here\n" if length $frame > 4096;
    return $frame;
}

# The first line is the configuration.
my $lines;
until ($lines && @$lines) { $lines = next_lines() or exit 0 }
my $config = $json->decode(shift @$lines);
if ($config->{version} != VERSION) {
    my $reason = "protocol version $config->{version} is not known; this worker speaks " . VERSION;
    emit('failed', worker => undef, pid => $$, exit => 1, reason => $reason, traceback => '');
    exit 1;
}
$SIG{INT} = 'IGNORE';
make_fifos($config, 'queue', map { "answers-$_" } @{ $config->{fronts} });
emit('started', pid => $$, version => VERSION, runtime => "Perl $^V");
obey($config, $json->decode($_)) for @$lines;
supervise($config);
